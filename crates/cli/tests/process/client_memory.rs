//! Memory of a client that uploads large files: of unknown size, and of local files. It is a
//! separate process, because the figure is the peak of the process; the server is another process.
//!
//! `DRIVEDAL_UNANNOUNCED_MIB` is the size of the files (default 96 MiB).

use std::process::Command;

use drivedal::{
    adapter::FileUpload,
    remote::{Remote, RemoteSource},
};
use drivedal_test_support::{child::peak_memory, serving::Serving};
use futures::TryStreamExt;

const MIB: u64 = 1 << 20;

/// Maximum increase of the peak for a file of any size, in bytes: the largest fragment, the
/// fragment that is prepared meanwhile, and the bytes in transit.
const BOUND: u64 = 150 * MIB;

pub async fn measure() {
    let size = std::env::var("DRIVEDAL_UNANNOUNCED_MIB").ok().and_then(|text| text.parse().ok());
    let size = size.unwrap_or(96_u64) * MIB;
    let data = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_drivedal"));
    let serving = Serving::start(command.arg("serve").arg("--data").arg(data.path()));
    let url = &serving.url;
    for (scheme, path) in
        [("skydrive", "/v5.0/"), ("onedrive", "/v1.0"), ("amazon-drive", "/drive/v1/")]
    {
        let source = RemoteSource::from_scheme(scheme)
            .option("endpoint", format!("{url}{path}"))
            .option("access_token", format!("drivedal-dev-{scheme}"));
        let Remote { operator, handle, .. } = source.open().expect("a remote");
        operator.write("small", "warm").await.expect("written");
        let before = peak_memory();
        let mut writer = operator.writer("large").await.expect("a writer");
        for piece in 0..size / MIB {
            writer.write(vec![piece as u8; MIB as usize]).await.expect("taken");
        }
        writer.close().await.expect("closed");
        let after_write = peak_memory();
        let bytes = operator.reader("large").await.expect("a reader").into_stream(..).await;
        let read = bytes.expect("a stream").try_fold((0_u64, true), async |(at, same), piece| {
            let piece = piece.to_vec();
            let is = piece.iter().zip(at..).all(|(byte, at)| *byte == (at / MIB) as u8);
            Ok((at + piece.len() as u64, same && is))
        });
        assert_eq!(read.await.expect("all of it"), (size, true), "{scheme}");
        let after_read = peak_memory();
        let file = tempfile::tempfile().expect("a file");
        file.set_len(size).expect("as long");
        let (handle, options) = (handle.expect("a drive"), FileUpload::default());
        let sent = handle.upload_file(&operator, "file", file, &options, None, &mut |_| ()).await;
        assert_eq!(sent.expect("sent").sent, size);
        // The system counts memory in pages per processor, so a value may be slightly below an
        // earlier one.
        let mib = |from: u64, to: u64| to.saturating_sub(from) as f64 / MIB as f64;
        println!(
            "{scheme}: peak {:.0} MiB before; {} MiB of unknown size add {:.1}, reading them {:.1}, a \
             local file as long {:.1}",
            mib(0, before),
            size / MIB,
            mib(before, after_write),
            mib(after_write, after_read),
            mib(after_read, peak_memory()),
        );
        assert!(peak_memory() < BOUND, "{scheme}: {} MiB", mib(0, peak_memory()));
    }
}
