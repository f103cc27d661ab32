//! Stacks that stacks need, with the same history by row as resources.

use sloth_core::id::StackId;
use sloth_core::store::{ReadUpstreams, StoreError, VersionAt, WriteUpstreams};
use sloth_core::upstream::Upstream;
use sloth_core::value::to_value;

use crate::failure::{Failure, Outcome};
use crate::named::UPSTREAMS;
use crate::session::Session;

/// One statement for all stacks: what is pending is left out, and what it ends is still there.
const ALL: &str = "SELECT s.id, r.body, r.name FROM upstream_rows r JOIN stacks s ON s.num = r.stack \
                   WHERE s.deleted_at IS NULL AND r.from_version <= s.head \
                   UNION ALL \
                   SELECT s.id, h.body, h.name FROM stacks s JOIN upstream_history h \
                     ON h.stack = s.num AND h.to_version > s.head \
                   WHERE s.deleted_at IS NULL AND h.from_version <= s.head \
                   ORDER BY 1, 3";

impl Session<'_> {
    fn all_upstreams(&self) -> Outcome<Vec<(StackId, Upstream)>> {
        let mut ask = self.conn()?.prepare_cached(ALL)?;
        let mut rows = ask.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(1)?.as_str().map_err(|_| Failure::bad("a row's body is not text"))?;
            out.push((StackId::from_stored(row.get::<_, String>(0)?), serde_json::from_str(text)?));
        }
        Ok(out)
    }
}

impl ReadUpstreams for Session<'_> {
    fn upstream_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Upstream>, StoreError> {
        self.shared.told(self.list_named(UPSTREAMS, stack, at))
    }
    fn upstream_all(&self) -> Result<Vec<(StackId, Upstream)>, StoreError> {
        self.shared.told(self.all_upstreams())
    }
}

impl WriteUpstreams for Session<'_> {
    fn upstream_put(&mut self, upstream: &Upstream) -> Result<(), StoreError> {
        let done = self.put_named(UPSTREAMS, upstream.id.as_str(), &to_value(upstream));
        self.shared.told(done)
    }
    fn upstream_remove(&mut self, id: &StackId) -> Result<bool, StoreError> {
        let done = self.remove_named(UPSTREAMS, id.as_str());
        self.shared.told(done)
    }
}
