//! Other chunks, shards or codecs for an output that is put together from objects of several arrays.

use std::borrow::Cow;

use serde_json::Value;
use zarray::Array;
use zcodec::MAX_NBYTES;
use zwire::{Exit, Failure};

use crate::array_plan::{Action, ArrayPlan};
use crate::encoding::Encoding;
use crate::layout_members::layout_members;
use crate::rechunk::Layout;
use crate::view::View;

impl ArrayPlan {
    /// The same with another layout and encoding: `None` keeps the codecs of the array. Objects that have them already are still copied.
    ///
    /// # Errors
    /// `Exit::Usage` if a chunk would be too large for the compressor; `Exit::Unreadable` if codecs of the array cannot be kept in other
    /// chunks or cannot be written.
    pub fn laid_out(mut self, layout: &Layout, encoding: Option<Encoding>) -> Result<ArrayPlan, Failure> {
        let refused = |what: String| Failure::new(Exit::Unreadable, what).at(&self.array.path);
        if matches!(self.array.as_decoded(), Cow::Owned(_)) {
            let text = format!("chunks with {} cannot be assembled", self.array.chain.describe());
            return Err(refused(text));
        }
        let of_codec = match &encoding {
            Some(encoding) => encoding.clone(),
            None => self.own_encoding()?,
        };
        let limit = if of_codec.is_blosc() { MAX_NBYTES } else { u64::MAX };
        layout.check_size(&self.array, self.chain().itemsize.unwrap_or(1), limit)?;
        let members = layout_members(layout, &of_codec, &self.array);
        let member = |name: &str| members.iter().find(|(member, _)| *member == name).map(|(_, value)| value);
        let own = &self.array.chain.specs[..self.array.chain.filters()];
        let filters = member("filters").and_then(Value::as_array).map_or(own, Vec::as_slice);
        let codecs = member("codecs").and_then(Value::as_array).map_or(filters, Vec::as_slice);
        let array = self.array.with_encoding(layout.object_shape(), codecs, member("compressor")).map_err(refused)?;
        if !has_same_objects(&array, &self.array)
            && let View::Join(join) = self.view
        {
            self.view = View::Join(Box::new(join.assembled()));
        }
        self.array = array;
        self.new_members = Some(members);
        if let Some(encoding) = encoding {
            self.action = Action::Recompress(Encoding { unchanged: true, ..encoding });
        }
        Ok(self)
    }
}

/// Whether stored objects hold the same: chunks with the same codecs before the compressor, or shards of the same chunks.
fn has_same_objects(a: &Array, b: &Array) -> bool {
    let kept = |array: &Array| {
        let chain = array.chain.innermost();
        chain.specs[..chain.kept].to_vec()
    };
    let shards = |array: &Array| array.chain.sharding.as_ref().map(|shards| (shards.chunk_shape.clone(), shards.index));
    kept(a) == kept(b) && shards(a) == shards(b)
}
