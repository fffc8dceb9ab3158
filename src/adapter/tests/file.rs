use std::{fs::File, io::Write, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::adapter::{DriveHandle, FileUpload, SavedUpload, UploadedFile};

const TEXT: &[u8] = b"The quick brown fox";

/// A local file and a drive.
struct Rig {
    drive: MemoryDrive,
    operator: Operator,
    handle: DriveHandle,
    path: PathBuf,
    saved: Vec<SavedUpload>,
    _folder: TempDir,
}

impl Rig {
    fn new() -> Self {
        let drive = with_small_sessions();
        let service =
            DriveService::new(Arc::new(drive.clone()), ServiceSettings::new("memory-drive", ""));
        let handle = service.handle();
        let operator = Operator::from_parts(opendal::OperationContext::new(), Arc::new(service));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local");
        std::fs::write(&path, TEXT).unwrap();
        Self { drive, operator, handle, path, saved: Vec::new(), _folder: folder }
    }

    async fn send_with(
        &mut self,
        options: FileUpload,
        resume: Option<SavedUpload>,
    ) -> opendal::Result<UploadedFile> {
        let (file, saved) = (File::open(&self.path).unwrap(), &mut self.saved);
        let mut keep = |upload: &SavedUpload| saved.push(upload.clone());
        self.handle.upload_file(&self.operator, "f", file, &options, resume, &mut keep).await
    }

    async fn send(&mut self, resume: Option<SavedUpload>) -> opendal::Result<UploadedFile> {
        self.send_with(FileUpload::default(), resume).await
    }

    /// Interrupts an upload after 8 bytes, and restores it from its JSON.
    async fn interrupted(&mut self) -> SavedUpload {
        // Two fragments pass.
        let drive = self.drive.clone();
        let mut keep = |upload: &SavedUpload| {
            if upload.arrived() == 8 {
                drive.plan(Verb::SendFragment, VerbFault::Before(temporary_error()));
            }
            self.saved.push(upload.clone());
        };
        let file = File::open(&self.path).unwrap();
        let options = FileUpload::default();
        let sent = self.handle.upload_file(&self.operator, "f", file, &options, None, &mut keep);
        assert!(sent.await.unwrap_err().is_temporary());
        self.drive.take_calls();
        let kept = self.saved.last().unwrap().to_json();
        SavedUpload::from_json(&kept).unwrap()
    }
}

#[tokio::test]
async fn a_large_file_is_sent_in_fragments_and_each_is_reported() {
    let mut rig = Rig::new();
    let sent = rig.send(None).await.unwrap();
    assert_eq!(rig.drive.content("f").unwrap(), TEXT);
    assert_eq!((sent.size, sent.sent, sent.sent_again, sent.resumed_at), (19, 19, 0, None));
    let arrived: Vec<_> = rig.saved.iter().map(SavedUpload::arrived).collect();
    assert_eq!(arrived, [0, 4, 8, 12, 16]);
    assert_eq!((rig.saved[0].path(), rig.saved[0].size()), ("f", 19));
}

#[tokio::test]
async fn a_small_file_is_sent_in_one_request_and_not_reported() {
    let mut rig = Rig::new();
    std::fs::write(&rig.path, "small").unwrap();
    let sent = rig.send(None).await.unwrap();
    assert_eq!((sent.size, sent.sent, sent.sent_again), (5, 5, 0));
    assert_eq!(rig.drive.content("f").unwrap(), b"small");
    assert_eq!(rig.drive.take_calls(), ["upload f"]);
    assert!(rig.saved.is_empty());
}

#[tokio::test]
async fn an_interrupted_upload_continues_at_the_position_of_the_cloud() {
    let mut rig = Rig::new();
    let saved = rig.interrupted().await;
    assert_eq!((saved.arrived(), rig.drive.open_sessions()), (8, 1));
    let sent = rig.send(Some(saved)).await.unwrap();
    assert_eq!(rig.drive.content("f").unwrap(), TEXT);
    assert_eq!(
        rig.drive.take_calls(),
        ["session_status f", "send_fragment f 8+4", "send_fragment f 12+4", "send_fragment f 16+3"]
    );
    assert_eq!((sent.sent, sent.sent_again, sent.resumed_at), (11, 0, Some(8)));
}

#[tokio::test]
async fn bytes_that_the_cloud_lost_are_sent_again_and_counted() {
    let mut rig = Rig::new();
    let saved = rig.interrupted().await;
    rig.drive.discard_session_bytes(4);
    let sent = rig.send(Some(saved)).await.unwrap();
    assert_eq!(rig.drive.content("f").unwrap(), TEXT);
    assert_eq!((sent.sent, sent.resumed_at), (15, Some(4)));
}

#[tokio::test]
async fn an_upload_whose_session_is_lost_starts_again() {
    let mut rig = Rig::new();
    let saved = rig.interrupted().await;
    rig.drive.discard_sessions();
    let sent = rig.send(Some(saved)).await.unwrap();
    assert_eq!(rig.drive.content("f").unwrap(), TEXT);
    assert_eq!((sent.sent, sent.resumed_at), (19, None));
}

#[tokio::test]
async fn a_file_that_was_changed_meanwhile_starts_again_and_cancels_the_old_session() {
    let mut rig = Rig::new();
    let saved = rig.interrupted().await;
    File::options().append(true).open(&rig.path).unwrap().write_all(b"!").unwrap();
    rig.send(Some(saved)).await.unwrap();
    assert_eq!(rig.drive.content("f").unwrap(), b"The quick brown fox!");
    assert_eq!(rig.drive.take_calls()[..2], ["cancel_session f", "open_session f"]);
    assert_eq!(rig.drive.open_sessions(), 0);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_is_not_created() {
    let mut rig = Rig::new();
    let path = rig.path.clone();
    let mut change = |upload: &SavedUpload| {
        if upload.arrived() == 8 {
            File::options().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        }
    };
    let (file, options) = (File::open(&rig.path).unwrap(), FileUpload::default());
    let sent = rig.handle.upload_file(&rig.operator, "f", file, &options, None, &mut change).await;
    assert!(sent.unwrap_err().to_string().contains("was changed"));
    assert!(rig.drive.content("f").is_none());
    assert_eq!(rig.drive.open_sessions(), 0);
    rig.saved.clear();
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_sent_in_one_request_is_an_error() {
    let mut rig = Rig::new();
    std::fs::write(&rig.path, "small").unwrap();
    let upload = rig.drive.hold(Verb::Upload);
    let path = rig.path.clone();
    let changed = async {
        upload.reached().await;
        File::options().append(true).open(&path).unwrap().write_all(b"er").unwrap();
        upload.release();
    };
    let error = tokio::join!(rig.send(None), changed).0.unwrap_err();
    assert!(error.to_string().contains("was changed while it was being sent"), "{error}");
}

#[tokio::test]
async fn the_next_fragment_is_read_while_one_is_sent() {
    let mut rig = Rig::new();
    let fragment = rig.drive.hold(Verb::SendFragment);
    let (drive, turn) = (rig.drive.clone(), Arc::clone(&rig.handle.state().read_ahead_permits));
    let looked = async {
        while drive.open_sessions() == 0 || turn.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The first fragment is still being sent.
        assert_eq!(drive.take_calls(), ["open_session f", "send_fragment f 0+4"]);
        fragment.release();
    };
    let both = async { tokio::join!(rig.send(None), looked).0 };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("it is read").unwrap();
    assert_eq!(rig.drive.content("f").unwrap(), TEXT);
    assert_eq!(rig.handle.state().read_ahead_permits.available_permits(), 1);
}

#[tokio::test]
async fn a_file_that_becomes_shorter_while_it_is_sent_is_named_and_not_created() {
    let rig = Rig::new();
    let path = rig.path.clone();
    let mut shorten = |upload: &SavedUpload| {
        if upload.arrived() == 4 {
            File::options().write(true).open(&path).unwrap().set_len(9).unwrap();
        }
    };
    let options = FileUpload::new().with_local_path(&rig.path);
    let file = File::open(&rig.path).unwrap();
    let sent = rig.handle.upload_file(&rig.operator, "f", file, &options, None, &mut shorten).await;
    let error = sent.unwrap_err().to_string();
    assert!(error.contains(&rig.path.display().to_string()), "{error}");
    assert!(rig.drive.content("f").is_none());
    assert_eq!(rig.drive.open_sessions(), 0);
}

#[tokio::test]
async fn an_upload_can_be_cancelled_and_continues_only_at_its_own_path() {
    let mut rig = Rig::new();
    let saved = rig.interrupted().await;
    let file = File::open(&rig.path).unwrap();
    let options = FileUpload::default();
    let (resume, mut keep) = (Some(saved.clone()), |_: &SavedUpload| ());
    let sent = rig.handle.upload_file(&rig.operator, "g", file, &options, resume, &mut keep);
    assert!(sent.await.unwrap_err().to_string().contains("cannot continue an upload"));
    rig.handle.cancel_upload(&rig.operator, &saved).await.unwrap();
    assert_eq!(rig.drive.open_sessions(), 0);
}

#[tokio::test]
async fn a_saved_upload_prints_no_secret_and_invalid_text_is_not_repeated() {
    let mut rig = Rig::new();
    let saved = rig.interrupted().await;
    assert!(saved.to_json().contains(MemoryDrive::SECRET), "{}", saved.to_json());
    assert!(!format!("{saved:?} {saved:#?}").contains(MemoryDrive::SECRET), "{saved:?}");
    let error = SavedUpload::from_json(r#"{"url": "hunter2", "path": 3}"#).unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
