//! ONNX Runtime for tests that run a model.

use inference::{Runtime, RuntimeSettings};

/// ONNX Runtime from the environment. A test without it fails, because a skipped test would look
/// like a passed one.
pub(crate) fn runtime() -> Runtime {
    assert!(
        std::env::var_os("ORT_DYLIB_PATH").is_some_and(|path| !path.is_empty()),
        "set ORT_DYLIB_PATH to the path of libonnxruntime.so, version 1.24 or newer: \
         this test runs a model"
    );
    Runtime::start(&RuntimeSettings::default()).unwrap()
}
