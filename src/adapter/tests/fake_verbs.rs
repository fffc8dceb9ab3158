//! The verbs of the [`FakeDrive`].

use async_trait::async_trait;
use futures::stream;
use opendal::Buffer;

use super::fake::{FakeDrive, Session, not_found};
use crate::drive::*;

#[async_trait]
impl Drive for FakeDrive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn account(&self, _: &Context) -> Result<Account> {
        Ok(Account { id: "fake".into(), name: None })
    }

    async fn quota(&self, _: &Context) -> Result<Quota> {
        Ok(Quota { total: 0, available: 0 })
    }

    async fn root(&self, _: &Context) -> Result<ItemId> {
        Ok("root".into())
    }

    async fn item(&self, _: &Context, item: &ItemRef, _: &Conditions) -> Result<Item> {
        self.enter("item", "").await?;
        Ok(self.item_by_id(&self.resolve(item)?))
    }

    async fn child(
        &self,
        _: &Context,
        folder: &ItemRef,
        name: &str,
        on_sibling: &mut (dyn for<'s> FnMut(SiblingSearch<'s>) + Send),
    ) -> Result<Item> {
        self.enter("child", name).await?;
        let folder = self.resolve(folder)?;
        let state = self.lock();
        for item in state.children(&folder) {
            on_sibling(SiblingSearch::Item(&item));
        }
        on_sibling(SiblingSearch::Complete);
        let id = state.child(&folder, name).ok_or_else(|| not_found(name))?;
        Ok(state.item(&id))
    }

    async fn list(&self, _: &Context, request: ListRequest<'_>) -> Result<Page> {
        self.enter("list", "").await?;
        let folder = self.resolve(request.folder)?;
        let items = self.lock().children(&folder);
        self.hold_list_response().await;
        Ok(Page { items, next: None })
    }

    async fn download(&self, _: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        self.enter("download", "").await?;
        let id = self.resolve(request.file)?;
        let mut item = self.item_by_id(&id);
        let needs_url = self.capabilities.download_urls
            && request.known.is_none_or(|known| known.download_url.is_none());
        if needs_url {
            self.enter("download_url", "").await?;
            // Lets other tasks run, as a request would.
            tokio::task::yield_now().await;
            item.download_url = Some(DownloadUrl { url: "url".into(), expires: None });
        }
        let item = needs_url.then(|| Box::new(item));
        let bytes = self.lock().nodes[&id].bytes.clone();
        let total = bytes.len() as u64;
        let range = match request.range {
            ByteRange::Full => 0..total,
            ByteRange::From(at) => at..total,
            ByteRange::Span(span) => span.start..span.end.min(total),
            ByteRange::Last(n) => total.saturating_sub(n)..total,
        };
        let mut piece = bytes[range.start as usize..range.end as usize].to_vec();
        let interruption = self.next_cut().map(|after| {
            piece.truncate(after);
            Err(super::temporary())
        });
        let pieces = [Ok(Buffer::from(piece))].into_iter().chain(interruption);
        let bytes: ByteStream = Box::pin(stream::iter(pieces));
        Ok(Download { total, range, etag: None, download_url: None, item, bytes, check: None })
    }

    async fn upload(
        &self,
        _: &Context,
        target: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        let after = self.enter("upload", &target.name).await?;
        let folder = self.resolve(&target.folder)?;
        let bytes = crate::adapter::spool::slice(&body, 0, body.len()).await?;
        let item = {
            let mut state = self.lock();
            let exists = state.child(&folder, &target.name).is_some();
            if options.if_exists == IfExists::Fail && exists {
                return Err(Error::new(ErrorKind::AlreadyExists, "fake: the name exists"));
            }
            let id = state.create(&folder, &target.name, Some(&bytes.to_vec()));
            state.item(&id)
        };
        match after {
            Some(error) => Err(error),
            None => Ok(Item { size: item.size.filter(|_| self.reports_size), ..item }),
        }
    }

    async fn open_session(
        &self,
        _: &Context,
        target: &Target,
        total: u64,
        _: &WriteOptions,
    ) -> Result<UploadSession> {
        self.enter("open", &target.name).await?;
        let parent = self.resolve(&target.folder)?;
        let mut state = self.lock();
        state.created += 1;
        let url = format!("s{}", state.created);
        let session = Session { parent, name: target.name.clone(), total, bytes: Vec::new() };
        state.sessions.insert(url.clone(), session);
        Ok(UploadSession { url: url.into(), total, expires: None, state: String::new() })
    }

    async fn send_fragment(
        &self,
        _: &Context,
        session: &mut UploadSession,
        offset: u64,
        bytes: Buffer,
    ) -> Result<SessionProgress> {
        let after = self.enter("send", &format!("{offset}+{}", bytes.len())).await?;
        let progress = {
            let mut state = self.lock();
            let url = session.url.expose();
            let open = state.sessions.get_mut(url).ok_or_else(|| not_found("session"))?;
            if open.bytes.len() as u64 != offset {
                return Err(Error::new(ErrorKind::RangeNotSatisfied, "fake: out of order"));
            }
            open.bytes.extend(bytes.to_vec());
            if open.bytes.len() as u64 == open.total {
                let done = state.sessions.remove(url).unwrap();
                let id = state.create(&done.parent, &done.name, Some(&done.bytes));
                SessionProgress::Done(Box::new(state.item(&id)))
            } else {
                SessionProgress::Next(open.bytes.len() as u64)
            }
        };
        after.map_or(Ok(progress), Err)
    }

    async fn session_status(
        &self,
        _: &Context,
        session: &UploadSession,
    ) -> Result<SessionProgress> {
        self.enter("status", "").await?;
        match self.lock().sessions.get(session.url.expose()) {
            Some(open) => Ok(SessionProgress::Next(open.bytes.len() as u64)),
            None => Err(not_found("session")),
        }
    }

    async fn cancel_session(&self, _: &Context, session: &UploadSession) -> Result<()> {
        self.enter("cancel", "").await?;
        self.lock().sessions.remove(session.url.expose());
        Ok(())
    }

    async fn create_folder(&self, _: &Context, target: &Target) -> Result<Item> {
        self.enter("create_folder", &target.name).await?;
        let folder = self.resolve(&target.folder)?;
        let mut state = self.lock();
        if state.child(&folder, &target.name).is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "fake: the name exists"));
        }
        let id = state.create(&folder, &target.name, None);
        Ok(state.item(&id))
    }

    async fn update(
        &self,
        _: &Context,
        item: &ItemRef,
        _: Option<&Item>,
        update: &ItemUpdate,
    ) -> Result<Item> {
        self.enter("update", update.name.as_deref().unwrap_or("")).await?;
        let id = self.resolve(item)?;
        let folder = update.folder.as_ref().map(|folder| self.resolve(folder)).transpose()?;
        let mut state = self.lock();
        if let Some(occupant) = &update.occupant {
            state.remove(occupant);
        }
        let node = state.nodes.get_mut(&id).unwrap();
        node.name = update.name.clone().unwrap_or_else(|| node.name.clone());
        node.parent = folder.or_else(|| node.parent.clone());
        Ok(state.item(&id))
    }

    async fn delete(&self, _: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let mut results = Vec::new();
        for target in items {
            results.push(match self.enter("delete", "").await {
                Err(error) => Err(error),
                Ok(_) => self.resolve(&target.item).map(|id| self.lock().remove(&id)),
            });
        }
        results
    }
}
