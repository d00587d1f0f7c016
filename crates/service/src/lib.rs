#![doc = include_str!("../README.md")]

pub mod backoff;
pub mod command_line;
pub mod health;
pub mod http;
pub mod process;
mod reload;
pub mod settings;
mod settings_error;
mod settings_list;
mod signals;
pub mod telemetry;

/// The allocator of every program. With glibc's per-thread arenas, the memory of a process that
/// decodes pictures of very different sizes grows for hours.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use settings_error::SettingsError;
