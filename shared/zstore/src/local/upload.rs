//! An object of a directory that is written piece by piece, under a temporary name until it is whole.

use std::fs::Permissions;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::LocalStore;
use super::write::{replace, replace_over};
use crate::{AtomicFile, Durability, Stat, StoreError, write_failed};

/// Small pieces are gathered up to this size; larger ones go straight to the file.
const GATHERED: usize = 256 * 1024;

pub struct LocalUpload {
    file: BufWriter<AtomicFile>,
    durability: Durability,
    reserved: usize,
    len: u64,
}

impl LocalStore {
    /// Writes an object that only its owner may read.
    pub fn put_private(&self, key: &str, bytes: &[u8]) -> Result<Stat, StoreError> {
        let mut file = self.temporary(key)?;
        let written = file.file().set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.write_all(bytes));
        written.map_err(|error| write_failed(file.target(), error))?;
        replace(file, bytes.len() as u64, self.durability)
    }

    pub fn upload(&self, key: &str, reserved: usize) -> Result<LocalUpload, StoreError> {
        let (mut file, len) = (self.temporary(key)?, reserved as u64);
        file.seek(SeekFrom::Start(len)).map_err(|error| write_failed(file.target(), error))?;
        let file = BufWriter::with_capacity(GATHERED, file);
        Ok(LocalUpload { file, durability: self.durability, reserved, len })
    }
}

impl LocalUpload {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn finish(self, start: &[u8]) -> Result<Stat, StoreError> {
        let (len, durability) = (self.len, self.durability);
        replace(self.complete(start)?, len, durability)
    }

    pub fn finish_over(self, start: &[u8], read: Stat) -> Result<Option<Stat>, StoreError> {
        let (len, durability) = (self.len, self.durability);
        replace_over(self.complete(start)?, len, durability, read)
    }

    /// Writes the rest of the file.
    fn complete(mut self, start: &[u8]) -> Result<AtomicFile, StoreError> {
        if start.len() != self.reserved {
            return Err(
                self.failed(io::Error::new(io::ErrorKind::InvalidInput, "the header does not have the reserved size"))
            );
        }
        self.file.flush().map_err(|error| self.failed(error))?;
        self.file.get_ref().file().write_all_at(start, 0).map_err(|error| self.failed(error))?;
        let target = self.file.get_ref().target().to_owned();
        self.file.into_inner().map_err(|error| write_failed(&target, error.into_error()))
    }

    fn failed(&self, error: io::Error) -> StoreError {
        write_failed(self.file.get_ref().target(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::tests::{get, keys, store};
    use super::*;
    use crate::ByteRange;

    #[test]
    fn an_upload_fills_its_front_at_the_end() {
        let (_dir, store) = store();
        let mut upload = store.upload("shard", 4).expect("starts");
        let large = vec![7_u8; GATHERED + 1];
        for piece in [&b"abc"[..], &large, b"", b"xyz"] {
            upload.write(piece).expect("writes");
        }
        assert_eq!(upload.len(), 4 + 3 + large.len() as u64 + 3);
        assert_eq!(store.stat("shard").expect("no error"), None, "nobody sees it yet");
        let stat = upload.finish(b"HEAD").expect("finishes");
        assert_eq!(store.stat("shard").expect("no error"), Some(stat));
        assert_eq!(get(&store, "shard"), [b"HEADabc", &large[..], b"xyz"].concat());
        let mut part = Vec::new();
        store.get_range("shard", ByteRange::Last { len: 3 }, &mut part).expect("reads");
        assert_eq!(part, b"xyz");
    }

    #[test]
    fn an_upload_without_its_end_leaves_nothing() {
        let (_dir, store) = store();
        let mut upload = store.upload("shard", 0).expect("starts");
        upload.write(&vec![1; 2 * GATHERED]).expect("writes");
        assert_eq!(keys(&store).len(), 1, "under a temporary name");
        drop(upload);
        let upload = store.upload("shard", 3).expect("starts");
        assert!(upload.finish(b"HEAD").is_err(), "more than was reserved");
        assert!(keys(&store).is_empty());
        assert!(store.upload("shard", 0).expect("starts").finish(b"").is_ok(), "an empty object is one");
        assert_eq!(get(&store, "shard"), b"");
    }

    proptest::proptest! {
        #[test]
        fn pieces_of_any_sizes_make_their_sum(
            reserved in 0..70_000_usize,
            sizes in proptest::collection::vec(0..GATHERED * 3 / 2, 0..6),
        ) {
            let (_dir, store) = store();
            let mut upload = store.upload("shard", reserved).expect("starts");
            let mut expected = vec![255; reserved];
            for (number, size) in sizes.into_iter().enumerate() {
                let piece = vec![number as u8; size];
                upload.write(&piece).expect("writes");
                expected.extend(piece);
            }
            let stat = upload.finish(&vec![255; reserved]).expect("finishes");
            assert!(get(&store, "shard") == expected);
            assert_eq!(stat.size, expected.len() as u64);
        }
    }

    #[test]
    fn private_objects_are_the_owners() {
        let (dir, store) = store();
        store.put("plan", b"old").expect("writes");
        store.put_private("plan", b"new").expect("writes");
        let metadata = std::fs::metadata(dir.path().join("out.zarr/plan")).expect("is there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(get(&store, "plan"), b"new");
    }

    #[test]
    fn a_name_that_a_directory_has_is_not_taken() {
        let (_dir, store) = store();
        store.put("a/b", b"1").expect("writes");
        let mut upload = store.upload("a", 0).expect("starts");
        upload.write(b"2").expect("writes");
        assert!(matches!(upload.finish(b""), Err(StoreError::Write { .. })));
        assert_eq!(keys(&store), ["a/b"]);
    }
}
