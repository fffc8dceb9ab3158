//! Local files that change during their upload.

use std::{
    fs::File,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use drivedal::{adapter::FileUpload, drive::UploadProgress};
use drivedal_server::Server;
use opendal::ErrorKind;

use crate::uploads::rig::{ALL, Cloud, Drive, bytes, local, no_sessions};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_file_that_is_rewritten_at_its_size_while_it_is_sent_leaves_the_old_version() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    for cloud in ALL {
        let account = format!("{cloud:?}");
        let drive = Drive::new(cloud, &server, &account, &[]);
        let old = bytes(1, 3 * MIB);
        drive.operator.write("a/file", old.clone()).await.expect("written");
        for (size, when) in [(4 * MIB, 2 * MIB), (4 * MIB, 4 * MIB - 1), (30_000, 1)] {
            let file = local(&bytes(2, size));
            let (path, again) = (file.path().to_owned(), bytes(3, size));
            let done = AtomicBool::new(false);
            // Called on the thread that reads the file, before the next read.
            let progress = UploadProgress::new(move |read| {
                if read >= when as u64 && !done.swap(true, Ordering::Relaxed) {
                    let mut file = File::options().write(true).open(&path).expect("the file");
                    file.write_all(&again).expect("written");
                }
            });
            let options = FileUpload::new().with_progress(progress);
            let opened = file.reopen().expect("the file");
            let (operator, mut keep) = (&drive.operator, |_: &_| {});
            let sent =
                drive.handle.upload_file(operator, "a/file", opened, &options, None, &mut keep);
            match sent.await {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{cloud:?} {size}: {error}");
                    assert!(!error.is_temporary(), "{cloud:?} {size}: {error}");
                    assert!(error.to_string().contains("changed"), "{cloud:?} {size}: {error}");
                    assert!(drive.read("a/file").await == Some(old.clone()), "{cloud:?} {size}");
                }
                // All bytes were of one version.
                Ok(_) => {
                    assert!(when + 65_536 > size, "{cloud:?} {size}");
                    assert!(drive.read("a/file").await == Some(bytes(2, size)), "{cloud:?} {size}");
                    drive.operator.write("a/file", old.clone()).await.expect("written");
                }
            }
        }
        if cloud != Cloud::Amazon {
            no_sessions(&server, &account).await.unwrap();
        }
    }
}
