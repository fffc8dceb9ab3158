//! The session with a PostgreSQL server: opened with the database's lock, and opened again after
//! the connection broke.

use sqlx::AnyConnection;

use super::{
    super::Result,
    dialect::{self, ServerUrl},
    failure::storage,
    open_error::OpenError,
    schema,
};
use crate::disk::Durability;

/// The parameters of the session that writes.
pub(super) struct ServerSession {
    pub(super) url: ServerUrl,
    pub(super) durability: Durability,
    /// The run of this process. A database with another run was used by another process.
    pub(super) run: i64,
}

/// Connects to a database and takes its lock.
///
/// # Errors
/// [`OpenError::DatabaseInUse`] if another connection has the lock; else [`OpenError::Database`].
pub(super) async fn connect(
    url: &ServerUrl,
    durability: Durability,
) -> Result<AnyConnection, OpenError> {
    let failed = |source| OpenError::Database { place: url.place().to_owned(), source };
    let mut connection = dialect::connect(url.expose(), Some(durability)).await.map_err(failed)?;
    match dialect::lock(&mut connection).await.map_err(failed)? {
        Ok(()) => Ok(connection),
        Err(holder) => Err(OpenError::DatabaseInUse { place: url.place().to_owned(), holder }),
    }
}

impl ServerSession {
    /// Opens the connection again. The lock was lost with the old one, so another server may have
    /// used the database: then nothing may be written any more.
    ///
    /// # Errors
    /// `TreeError::Storage` if the server cannot be reached, or another process has or had the
    /// database.
    pub(super) async fn reconnect(&self) -> Result<AnyConnection> {
        let mut connection = connect(&self.url, self.durability).await.map_err(storage)?;
        let run: i64 =
            sqlx::query_scalar("SELECT run FROM server").fetch_one(&mut connection).await?;
        if run != self.run {
            return Err(storage(
                "another drive server has used the database since the connection broke; stop this \
                 server and start it again",
            ));
        }
        schema::prepare_connection(&mut connection).await?;
        tracing::warn!("the connection to the database broke, and was opened again");
        Ok(connection)
    }
}
