//! Upload sessions.

use super::{
    super::{
        super::{hash::ContentHasher, *},
        *,
    },
    blobs, body, broken_body, bytes, ephemeral, folder,
    on_postgres::also_on_postgres,
    put, read, refusal, session,
};

/// Opens a session for `f` in the root folder.
async fn open(tree: &Tree, drive: DriveKey, total: Option<u64>) -> Session {
    let session = Session { total, ..session(drive, ROOT, "f", OnConflict::Replace) };
    tree.open_session(session).await.expect("opens")
}

async fn append(tree: &Tree, session: &Session, at: u64, bytes: &[u8]) -> Result<Session> {
    tree.append(
        &session.id,
        UploadFragment {
            at,
            total: None,
            body: body(bytes),
            max: u64::MAX,
            expires: session.expires,
        },
    )
    .await
}

async fn commit(tree: &Tree, session: &Session) -> Result<Written> {
    tree.commit(&session.id, NewItem::default(), Precondition::Any, None).await
}

fn hashes(bytes: &[u8]) -> super::super::super::Hashes {
    let mut hasher = ContentHasher::default();
    hasher.update(bytes);
    hasher.finish()
}

#[tokio::test]
async fn fragments_of_any_size_make_the_file_that_one_request_makes() {
    let (tree, drive) = ephemeral().await;
    let sent = bytes(1_500_000, 3);
    let opened = open(&tree, drive, None).await;
    let mut at = 0;
    for length in [1, 327_680, 0, 20_000, 700_000, 452_319] {
        let now = append(&tree, &opened, at as u64, &sent[at..at + length]).await.expect("appends");
        at += length;
        assert_eq!(now.received, at as u64);
        assert_eq!(tree.session(&opened.id).await.expect("session").received, at as u64);
    }
    let written = commit(&tree, &opened).await.expect("commits");
    assert!(written.created);
    assert_eq!(read(&tree, &written.node).await, sent);
    assert_eq!(written.node.content.as_ref().expect("bytes").hashes, hashes(&sent));
    let found = tree.node(drive, written.node.no).await.expect("node");
    assert_eq!(found.content, written.node.content);
    assert!(matches!(refusal(commit(&tree, &opened).await), TreeError::NoSession));
}

#[tokio::test]
async fn a_session_continues_after_a_restart_with_the_same_hashes() {
    let data = tempfile::tempdir().expect("temporary folder");
    let sent = bytes(100_000, 5);
    let tree = Tree::open(TreeOptions::folder(data.path()).durability(crate::Durability::Relaxed))
        .await
        .expect("opens");
    let drive = tree.drive("").await.expect("drive").no;
    let opened = open(&tree, drive, Some(sent.len() as u64)).await;
    append(&tree, &opened, 0, &sent[..60_000]).await.expect("appends");
    tree.close().await;

    let tree = Tree::open(TreeOptions::folder(data.path()).durability(crate::Durability::Relaxed))
        .await
        .expect("opens");
    let found = tree.session(&opened.id).await.expect("session");
    assert_eq!((found.received, found.total), (60_000, Some(100_000)));
    assert_eq!((found.state, found.expires), (opened.state.clone(), opened.expires));
    append(&tree, &opened, 60_000, &sent[60_000..]).await.expect("appends");
    let node = commit(&tree, &opened).await.expect("commits").node;
    assert_eq!(read(&tree, &node).await, sent);
    assert_eq!(node.content.expect("bytes").hashes, hashes(&sent));
    tree.close().await;
}

#[tokio::test]
async fn a_session_without_bytes_makes_an_empty_file() {
    let (tree, drive) = ephemeral().await;
    let opened = open(&tree, drive, Some(0)).await;
    let node = commit(&tree, &opened).await.expect("commits").node;
    assert_eq!(read(&tree, &node).await, b"");
    assert_eq!(node.content.expect("bytes").hashes, hashes(b""));
}

#[tokio::test]
async fn a_fragment_that_does_not_fit_is_refused_and_leaves_nothing() {
    let (tree, drive) = ephemeral().await;
    let opened = open(&tree, drive, None).await;
    append(&tree, &opened, 0, b"12345").await.expect("appends");
    for at in [0, 4, 6] {
        let refused = append(&tree, &opened, at, b"x").await;
        assert!(matches!(refusal(refused), TreeError::OutOfOrder(5)), "at {at}");
    }
    let cut = tree.append(
        &opened.id,
        UploadFragment {
            at: 5,
            total: Some(10),
            body: broken_body(&bytes(600_000, 1)),
            max: u64::MAX,
            expires: opened.expires,
        },
    );
    assert!(matches!(refusal(cut.await), TreeError::PastTheEnd(10)));
    let cut = tree.append(
        &opened.id,
        UploadFragment {
            at: 5,
            total: None,
            body: broken_body(b"67"),
            max: u64::MAX,
            expires: opened.expires,
        },
    );
    assert!(matches!(refusal(cut.await), TreeError::Body(_)));
    let large = tree
        .append(
            &opened.id,
            UploadFragment {
                at: 5,
                total: None,
                body: body(b"6789"),
                max: 3,
                expires: opened.expires,
            },
        )
        .await;
    assert!(matches!(refusal(large), TreeError::Body(error)
        if error.kind() == std::io::ErrorKind::FileTooLarge));
    assert_eq!(tree.session(&opened.id).await.expect("session").received, 5);
    assert_eq!(blobs(&tree).await, 1);

    let total = |total| {
        tree.append(
            &opened.id,
            UploadFragment {
                at: 5,
                total: Some(total),
                body: body(b"6"),
                max: 9,
                expires: opened.expires,
            },
        )
    };
    assert_eq!(total(7).await.expect("appends").total, Some(7));
    let other = tree
        .append(
            &opened.id,
            UploadFragment {
                at: 6,
                total: Some(8),
                body: body(b"7"),
                max: 9,
                expires: opened.expires,
            },
        )
        .await;
    assert!(matches!(refusal(other), TreeError::PastTheEnd(7)));
    assert!(matches!(refusal(commit(&tree, &opened).await), TreeError::OutOfOrder(6)));
    append(&tree, &opened, 6, b"7").await.expect("appends");
    let node = commit(&tree, &opened).await.expect("commits").node;
    assert_eq!(read(&tree, &node).await, b"1234567");
    assert_eq!(node.content.expect("bytes").hashes, hashes(b"1234567"));
}

#[tokio::test]
async fn a_cancelled_or_expired_session_is_removed_with_its_bytes() {
    let (tree, drive) = ephemeral().await;
    let opened = open(&tree, drive, None).await;
    append(&tree, &opened, 0, b"12345").await.expect("appends");
    tree.cancel(&opened.id).await.expect("cancels");
    assert!(matches!(refusal(tree.cancel(&opened.id).await), TreeError::NoSession));
    assert!(matches!(refusal(append(&tree, &opened, 5, b"6").await), TreeError::NoSession));
    assert_eq!(blobs(&tree).await, 0);

    let opened = open(&tree, drive, None).await;
    let over = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(1);
    tree.append(
        &opened.id,
        UploadFragment { at: 0, total: None, body: body(b"12345"), max: 9, expires: over },
    )
    .await
    .expect("appends");
    assert!(matches!(refusal(tree.session(&opened.id).await), TreeError::NoSession));
    assert!(matches!(refusal(commit(&tree, &opened).await), TreeError::NoSession));
    open(&tree, drive, None).await;
    assert_eq!(blobs(&tree).await, 0, "the next session forgets those that expired");
}

#[tokio::test]
async fn a_session_whose_name_is_taken_keeps_its_bytes() {
    let (tree, drive) = ephemeral().await;
    let wanted = session(drive, ROOT, "f", OnConflict::Fail);
    let opened = tree.open_session(wanted).await.expect("opens");
    append(&tree, &opened, 0, b"12345").await.expect("appends");
    let there = put(&tree, drive, ROOT, "F", b"other").await;
    let refused = refusal(commit(&tree, &opened).await);
    assert!(matches!(refused, TreeError::NameTaken(no) if no == there.no));
    tree.trash(drive, there.no, Precondition::Any).await.expect("trashes");
    let node = commit(&tree, &opened).await.expect("commits").node;
    assert_eq!(read(&tree, &node).await, b"12345");
    assert_eq!(tree.any_node(drive, there.no).await.expect("node").state, ItemState::Trashed);
}

#[tokio::test]
async fn a_session_is_refused_what_a_file_would_be_refused() {
    let (tree, drive) = ephemeral().await;
    tree.set_quota(drive, 10).await.expect("sets");
    put(&tree, drive, ROOT, "f", b"12345678").await;
    let wanted = |name: &str, total| Session {
        total: Some(total),
        ..session(drive, ROOT, name, OnConflict::Replace)
    };
    assert!(matches!(refusal(tree.open_session(wanted("g", 3)).await), TreeError::QuotaExceeded));
    tree.open_session(wanted("f", 10)).await.expect("what is replaced makes room");
    let file = tree.child(drive, ROOT, "f").await.expect("finds");
    let below = session(drive, file.no, "g", OnConflict::Fail);
    assert!(matches!(refusal(tree.open_session(below).await), TreeError::NotAFolder(_)));
    let gone = folder(&tree, drive, ROOT, "folder").await;
    let opened = session(drive, gone.no, "g", OnConflict::Fail);
    let opened = tree.open_session(opened).await.expect("opens");
    tree.trash(drive, gone.no, Precondition::Any).await.expect("trashes");
    assert!(matches!(refusal(commit(&tree, &opened).await), TreeError::NotFound));
}

also_on_postgres!(
    fragments_of_any_size_make_the_file_that_one_request_makes,
    a_session_without_bytes_makes_an_empty_file,
    a_fragment_that_does_not_fit_is_refused_and_leaves_nothing,
    a_cancelled_or_expired_session_is_removed_with_its_bytes,
    a_session_whose_name_is_taken_keeps_its_bytes,
    a_session_is_refused_what_a_file_would_be_refused,
);
