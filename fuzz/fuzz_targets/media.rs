//! Media files: their metadata and thumbnails.
#![no_main]

use std::sync::LazyLock;

use drivedal_server::fuzzing;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().expect("a runtime"));

libfuzzer_sys::fuzz_target!(|file: &[u8]| fuzzing::media(&RUNTIME, file));
