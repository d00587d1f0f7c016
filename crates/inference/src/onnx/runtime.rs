//! ONNX Runtime: one library, one environment and one thread pool per process.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;
use serde::Deserialize;

use super::provider::Provider;
use crate::ModelError;

/// The settings `[runtime]`: which library runs the models, and on which hardware.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeSettings {
    /// Path of the ONNX Runtime library (`libonnxruntime.so`, version 1.24 or newer). Empty means:
    /// the environment variable `ORT_DYLIB_PATH`, else a library beside the executable, else the
    /// system loader's path.
    pub library: String,
    /// Threads shared by all models of the process. 0 means one per CPU this process may use.
    pub threads: usize,
    /// The hardware that shall run the models.
    pub provider: Provider,
    /// Whether to refuse a model that no GPU runs. Otherwise the CPU runs it, and
    /// [`Placement`](crate::Placement) says why.
    pub require_gpu: bool,
    /// Number of the GPU, from 0.
    pub device: i32,
    /// Folder in which TensorRT keeps compiled graphs. Empty: it compiles again at every start.
    pub engine_cache: String,
}

/// Largest accepted number of threads. More is a typing error.
const MAX_THREADS: usize = 1024;

/// File name of the library to look for where no path is given.
const LIBRARY_NAME: &str = if cfg!(target_os = "windows") {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// ONNX Runtime allows one environment per process. It is kept until the process ends, and every
/// later [`Runtime::start`] gets the same one.
static STARTED: Mutex<Option<Arc<StartedRuntime>>> = Mutex::new(None);

/// A handle on the process's ONNX Runtime, with the settings for the models loaded through it.
/// Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    process: Arc<StartedRuntime>,
    settings: Arc<RuntimeSettings>,
}

struct StartedRuntime {
    environment: Environment,
    library: String,
    threads: usize,
    version: String,
}

impl Runtime {
    /// Loads the library and starts the process's runtime, or joins the running one.
    ///
    /// The library and the threads of the first call hold for the whole process. A later call that
    /// asks for others logs a warning. All other settings hold for this handle only.
    ///
    /// # Errors
    /// [`ModelError::Setting`] for a setting that cannot be used, [`ModelError::Runtime`] for a
    /// library that is missing, too old, or fails. Both are fatal. A later call may try again with
    /// other settings.
    pub fn start(settings: &RuntimeSettings) -> Result<Runtime, ModelError> {
        check_gpu_settings(settings)?;
        let threads = thread_count(settings.threads)?;
        let handle = |process: &Arc<StartedRuntime>| Runtime {
            process: Arc::clone(process),
            settings: Arc::new(settings.clone()),
        };
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = started.as_ref() {
            if (&process.library, process.threads) != (&settings.library, threads) {
                tracing::warn!(
                    "onnx runtime is already running: \
                     another library or number of threads needs a new process"
                );
            }
            return Ok(handle(process));
        }
        let library = find_library(&settings.library)?;
        let environment = start_environment(&library, threads)?;
        let version = version_in_name(&library).unwrap_or_else(|| String::from("1.24 or newer"));
        tracing::info!(library = %library.display(), version, threads, "onnx runtime started");
        let library = settings.library.clone();
        let process = Arc::new(StartedRuntime { environment, library, threads, version });
        let runtime = handle(&process);
        *started = Some(process);
        Ok(runtime)
    }

    /// Version of the library, read from its file name (`1.31.1`), else `1.24 or newer`. The
    /// binding checks the version when it loads the library, but does not return it.
    pub fn version(&self) -> &str {
        &self.process.version
    }

    /// Threads shared by all models of the process.
    pub fn threads(&self) -> usize {
        self.process.threads
    }

    pub(super) fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.process.environment
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("version", &self.process.version)
            .field("threads", &self.process.threads)
            .finish()
    }
}

fn check_gpu_settings(settings: &RuntimeSettings) -> Result<(), ModelError> {
    let wrong = |setting, value: String, reason: &str| {
        Err(ModelError::Setting { setting, value, reason: reason.to_owned() })
    };
    if settings.require_gpu && settings.provider == Provider::Cpu {
        return wrong("require_gpu", "true".into(), "the setting `provider` asks for the CPU");
    }
    if settings.device < 0 {
        return wrong("device", settings.device.to_string(), "GPUs are counted from 0");
    }
    Ok(())
}

fn thread_count(wanted: usize) -> Result<usize, ModelError> {
    match wanted {
        // This count respects CPU affinity and the quota of a container.
        0 => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        1..=MAX_THREADS => Ok(wanted),
        _ => Err(ModelError::Setting {
            setting: "threads",
            value: wanted.to_string(),
            reason: format!("at most {MAX_THREADS} are possible, and 0 means one per CPU"),
        }),
    }
}

/// The path to load. The last resort is a bare file name, which the system loader looks up.
fn find_library(setting: &str) -> Result<PathBuf, ModelError> {
    let wanted = match setting {
        "" => std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from),
        path => Some(PathBuf::from(path)),
    };
    if let Some(path) = wanted {
        // Absolute, because the binding looks for a relative path beside the executable first.
        let path = std::path::absolute(&path).unwrap_or(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(start_error(&path, "there is no such file"))
        };
    }
    let beside =
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(LIBRARY_NAME)));
    Ok(beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(LIBRARY_NAME)))
}

fn start_environment(library: &Path, threads: usize) -> Result<Environment, ModelError> {
    let start = || {
        // This must be the first call into the binding. Any other call would load the library
        // itself, and panic where it is missing.
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        // Waiting threads sleep. Spinning ones made two busy cores slower than one.
        let pool = GlobalThreadPoolOptions::default()
            .with_intra_threads(threads)
            .and_then(|pool| pool.with_inter_threads(1))
            .and_then(|pool| pool.with_spin_control(false))
            .map_err(|error| error.to_string())?;
        let environment = builder
            .with_name("bucketlens")
            .with_global_thread_pool(pool)
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())?;
        environment.set_log_level(LogLevel::Warning);
        Ok::<Environment, String>(environment)
    };
    // The binding panics on a library that exports the right names but behaves wrongly.
    match catch_unwind(start) {
        Ok(Ok(environment)) => Ok(environment),
        Ok(Err(reason)) => Err(start_error(library, &reason)),
        Err(_) => Err(start_error(library, "the library is not a working ONNX Runtime")),
    }
}

fn start_error(library: &Path, reason: &str) -> ModelError {
    ModelError::Runtime { library: library.display().to_string(), reason: reason.to_owned() }
}

/// Reads `1.31.1` from `libonnxruntime.so.1.31.1`, following symbolic links.
fn version_in_name(library: &Path) -> Option<String> {
    let real = std::fs::canonicalize(library).ok()?;
    let name = real.file_name()?.to_str()?;
    let version = name
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .trim_end_matches(|c: char| !c.is_ascii_digit());
    let parts = version.split('.').filter(|part| part.parse::<u32>().is_ok()).count();
    (parts >= 2 && parts == version.split('.').count()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_what_to_set() {
        let settings =
            RuntimeSettings { library: "/no/such/libonnxruntime.so".into(), ..Default::default() };
        let message = find_library(&settings.library).unwrap_err().to_string();
        assert!(
            message.contains("/no/such/libonnxruntime.so") && message.contains("ORT_DYLIB_PATH"),
            "{message}"
        );
    }

    #[test]
    fn threads_are_counted_or_refused() {
        assert!(thread_count(0).unwrap() >= 1);
        assert_eq!(thread_count(3).unwrap(), 3);
        assert!(thread_count(MAX_THREADS + 1).is_err());
    }

    #[test]
    fn version_comes_from_the_file_name() {
        let folder = tempfile::tempdir().unwrap();
        for (name, version) in [
            ("libonnxruntime.so.1.31.1", Some("1.31.1")),
            ("libonnxruntime.1.24.0.dylib", Some("1.24.0")),
            ("libonnxruntime.so", None),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, b"").unwrap();
            assert_eq!(version_in_name(&path).as_deref(), version, "{name}");
        }
    }
}
