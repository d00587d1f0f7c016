//! Which execution provider runs how many nodes of a loaded graph.
#![allow(
    unsafe_code,
    reason = "the binding offers this part of ONNX Runtime's C interface only as it is"
)]

use std::ffi::{CStr, c_char};
use std::ptr;

use ort::session::Session;
use ort::{AsPointer, ortsys, sys};

/// The session setting that makes ONNX Runtime record the assignment of nodes
/// (onnxruntime_session_options_config_keys.h, ONNX Runtime 1.24).
pub(super) const RECORD: &str = "session.record_ep_graph_assignment_info";

/// The names of the providers and how many nodes each runs, for a session made with [`RECORD`] set
/// to `1`.
///
/// # Errors
/// The error of ONNX Runtime.
pub(super) fn by_provider(session: &Session) -> ort::Result<Vec<(String, usize)>> {
    let mut parts: *const *const sys::OrtEpAssignedSubgraph = ptr::null();
    let mut count = 0;
    ortsys![unsafe Session_GetEpGraphAssignmentInfo(session.ptr(), &mut parts, &mut count)?];
    if parts.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the call succeeded, so `parts` points to `count` pointers that live as long as the
    // session.
    let parts = unsafe { std::slice::from_raw_parts(parts, count) };
    let mut counted: Vec<(String, usize)> = Vec::new();
    for part in parts {
        let mut name: *const c_char = ptr::null();
        ortsys![unsafe EpAssignedSubgraph_GetEpName(*part, &mut name)?];
        let mut members: *const *const sys::OrtEpAssignedNode = ptr::null();
        let mut size = 0;
        ortsys![unsafe EpAssignedSubgraph_GetNodes(*part, &mut members, &mut size)?];
        let name = match name.is_null() {
            true => String::from("unknown"),
            // SAFETY: the call succeeded, so `name` is a string that ends with 0 and lives as long
            // as the session.
            false => unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned(),
        };
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, nodes)) => *nodes += size,
            None => counted.push((name, size)),
        }
    }
    Ok(counted)
}
