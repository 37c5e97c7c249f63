//! What the store does for its own sake: a copy of itself, and the proof that it can still write.

use std::path::Path;

use super::{Error, Store};

impl Store {
    /// Writes a whole and consistent copy of the database to `path`, which is empty or not there yet. Whoever uses the
    /// database meanwhile, in this process or another, goes on.
    pub(crate) async fn copy_to(&self, path: &Path) -> Result<(), Error> {
        let path = path.to_str().ok_or(Error::Damaged { what: "a path that is not text" })?;
        sqlx::query("VACUUM INTO $1").bind(path).execute(&self.reader).await?;
        Ok(())
    }

    /// Writes to the disk, without changing anything.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let mut change = self.begin().await?;
        sqlx::query("UPDATE tenant SET created_at = created_at").execute(&mut *change).await?;
        Ok(change.commit().await?)
    }
}
