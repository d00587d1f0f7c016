//! ONNX Runtime: one library, one environment and one pool of threads per process.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;
use serde::Deserialize;

use crate::{ModelError, Provider};

/// How models are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeSettings {
    /// Path of the ONNX Runtime library (`libonnxruntime.so`, version 1.24 or newer). Empty means:
    /// the environment variable `ORT_DYLIB_PATH`, else a library beside the executable, else the
    /// system loader's path.
    pub library: String,
    /// Threads shared by all models of the process. 0 means one per CPU this process may use.
    pub threads: usize,
    /// What shall run the models.
    pub provider: Provider,
    /// Whether a model that no GPU runs is refused. Otherwise the CPU runs it, and why is kept.
    pub require_gpu: bool,
    /// Number of the GPU, from 0.
    pub device: i32,
    /// Folder in which TensorRT keeps what it has compiled. Empty: it compiles again at every
    /// start.
    pub engine_cache: String,
}

/// More threads than this is a typing error, not a machine.
const MAX_THREADS: usize = 1024;

/// File name under which the library is looked for where no path is given.
const LIBRARY_NAME: &str = if cfg!(target_os = "windows") {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// ONNX Runtime allows one environment per process, ever: it is kept until the process ends and
/// every later [`Runtime::start`] gets the same one.
static STARTED: Mutex<Option<Arc<Started>>> = Mutex::new(None);

/// A handle on the process's ONNX Runtime, with the settings for what is loaded through it. Cheap
/// to clone.
#[derive(Clone)]
pub struct Runtime {
    process: Arc<Started>,
    settings: Arc<RuntimeSettings>,
}

struct Started {
    environment: Environment,
    library: String,
    threads: usize,
    version: String,
}

impl Runtime {
    /// Loads the library and starts the process's runtime, or joins the running one: library and
    /// threads of the first call hold for the whole process, and a later call with others is
    /// logged. All other settings are this call's own.
    ///
    /// # Errors
    /// [`ModelError::Setting`] for a setting that cannot be used, [`ModelError::Runtime`] where the
    /// library is missing, too old, or fails. Both are fatal; a later call may try again with other
    /// settings.
    pub fn start(settings: &RuntimeSettings) -> Result<Runtime, ModelError> {
        check_gpu(settings)?;
        let threads = thread_count(settings.threads)?;
        let of = |process: &Arc<Started>| Runtime {
            process: Arc::clone(process),
            settings: Arc::new(settings.clone()),
        };
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = started.as_ref() {
            if (&process.library, process.threads) != (&settings.library, threads) {
                tracing::warn!(
                    "onnx runtime is already running; a new library or number of threads needs a new process"
                );
            }
            return Ok(of(process));
        }
        let library = find_library(&settings.library)?;
        let environment = start_environment(&library, threads)?;
        let version = version_in_name(&library).unwrap_or_else(|| String::from("1.24 or newer"));
        tracing::info!(library = %library.display(), version, threads, "onnx runtime started");
        let process =
            Arc::new(Started { environment, library: settings.library.clone(), threads, version });
        let runtime = of(&process);
        *started = Some(process);
        Ok(runtime)
    }

    /// Version of the library as its file name tells it (`1.31.1`), or `1.24 or newer` where the
    /// name tells nothing: the binding checks the version when it loads the library but does not
    /// give it out.
    pub fn version(&self) -> &str {
        &self.process.version
    }

    /// Threads shared by all models of the process.
    pub fn threads(&self) -> usize {
        self.process.threads
    }

    pub(crate) fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    pub(crate) fn environment(&self) -> &Environment {
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

fn check_gpu(settings: &RuntimeSettings) -> Result<(), ModelError> {
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
        // Honours CPU affinity and the quota of a container, unlike the number of CPUs of the
        // machine.
        0 => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        1..=MAX_THREADS => Ok(wanted),
        _ => Err(ModelError::Setting {
            setting: "threads",
            value: wanted.to_string(),
            reason: format!("at most {MAX_THREADS} are possible, and 0 means one per CPU"),
        }),
    }
}

/// Path to load. A bare name, the last resort, is looked up by the system loader.
fn find_library(setting: &str) -> Result<PathBuf, ModelError> {
    let wanted = match setting {
        "" => std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from),
        path => Some(PathBuf::from(path)),
    };
    if let Some(path) = wanted {
        // Absolute, because the binding would otherwise look beside the executable first.
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
        // First of all calls into the binding: any other would load the library itself and panic
        // where it is missing.
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        // Threads that spin while waiting made two busy cores slower than one: they sleep instead.
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
    // The binding panics on a library that exports the right names and then behaves wrongly.
    match catch_unwind(start) {
        Ok(Ok(environment)) => Ok(environment),
        Ok(Err(reason)) => Err(start_error(library, &reason)),
        Err(_) => Err(start_error(library, "the library is not a working ONNX Runtime")),
    }
}

fn start_error(library: &Path, reason: &str) -> ModelError {
    ModelError::Runtime { library: library.display().to_string(), reason: reason.to_owned() }
}

/// `1.31.1` from `libonnxruntime.so.1.31.1`, links followed.
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
