//! What must be there before the first object is written: the documents, the backup, and the plan file.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zarray::{Coverage, Key, ZarrFormat};
use zstore::{Location, Store, make_empty_directory, remove_empty_directory, write_failed};
use zwire::Failure;

use crate::array_plan::ArrayPlan;
use crate::documents::{Attributes, Convert, Documents};
use crate::options::WriteOptions;
use crate::output_plan::OutputPlan;
use crate::piece_documents::PieceDocuments;
use crate::placement::Placement;
use crate::plan_file::{self, Header, PlanFile};
use crate::progress::Progress;
use crate::read_documents::ReadDocuments;
use crate::report::wrong_separator;
use crate::staged_store::StagedStore;
use crate::waiting::{put_document, remove_document, waiting};

/// Keys of an array that are looked at before it is divided into parts.
const FIRST_KEYS: usize = 100;

/// The format of the output's documents, and what converts them to it.
#[derive(Clone, Copy)]
pub struct Format<'a> {
    /// `None`: the source's.
    pub wanted: Option<ZarrFormat>,
    /// What converts documents from one format to the other.
    pub convert: Option<&'a dyn Convert>,
    /// New attributes of nodes.
    pub attributes: &'a Attributes,
}

impl OutputPlan<'_> {
    /// Writes what must be there before the first object: the documents, and then the plan file of `tool`.
    ///
    /// # Errors
    /// A document that cannot be changed, which shows now and not at the end; an output that cannot be written.
    pub fn prepare<T: Serialize + DeserializeOwned>(
        &self,
        tool: &str,
        body: T,
        format: Format,
        staged: &StagedStore,
        options: &WriteOptions,
        progress: &dyn Progress,
    ) -> Result<PlanFile<T>, Failure> {
        if options.prepare.is_some() && self.listed {
            self.check_separators()?;
        }
        let documents = self.documents(format);
        let converted = documents.wanted != documents.format;
        let removed = if staged.in_place() && converted { documents.old_keys() } else { Vec::new() };
        for note in self.stage(&documents, staged)? {
            progress.warn(&note);
        }
        self.check_format(staged.in_place(), format)?;
        let backup = options.backup.as_deref().map(|directory| self.prepare_backup(directory, staged)).transpose()?;
        let header = Header {
            v: plan_file::V,
            tool: tool.to_owned(),
            version: env!("CARGO_PKG_VERSION").into(),
            sources: self.stores.iter().map(|store| absolute(store.location())).collect(),
            in_place: staged.in_place(),
            overwrite: options.begin == crate::options::Begin::Overwrite,
            backup,
            parts: options.prepare.unwrap_or(1),
            memory: self.memory,
            fingerprint: plan_file::fingerprint(&self.plans),
            swapped: plan_file::swapped(&self.plans),
            removed,
        };
        let plan = PlanFile { header, body };
        staged.save_plan(&plan.text())?;
        Ok(plan)
    }

    /// Writes the documents of the output, which wait until it is published where somebody could open them.
    ///
    /// # Errors
    /// A document that cannot be read, changed or written.
    pub fn write_documents(&self, format: Format, staged: &StagedStore) -> Result<(), Failure> {
        self.stage(&self.documents(format), staged).map(drop)
    }

    /// Writes the documents and the checksums of their sources to the folder. Documents of an earlier run that are not needed
    /// any more are removed last.
    fn stage(&self, documents: &Documents, staged: &StagedStore) -> Result<Vec<String>, Failure> {
        let earlier: Mutex<BTreeSet<String>> = Mutex::new(waiting(staged.folder())?.into_iter().collect());
        let notes = documents.write(&self.pool, &|key, text| {
            put_document(staged, key, text)?;
            earlier.lock().remove(key);
            Ok(())
        })?;
        let mut coverage = Coverage::default();
        for plan in self.plans.iter().filter(|plan| plan.view.is_partial()) {
            plan.view.chosen().into_iter().for_each(|set| coverage.add(plan.array.path.clone(), Arc::clone(set)));
        }
        for (key, text) in coverage.documents() {
            put_document(staged, &key, &text)?;
            earlier.lock().remove(&key);
        }
        documents.read.note_pieces(&PieceDocuments::read(&self.plans, self.stores, &self.pool)?);
        documents.read.save(staged)?;
        for key in earlier.into_inner() {
            remove_document(staged, &key)?;
        }
        Ok(notes)
    }

    /// Makes every document, and writes none: what would be refused is refused.
    ///
    /// # Errors
    /// As [`OutputPlan::prepare`].
    pub fn check_documents(&self, format: Format, in_place: bool) -> Result<(), Failure> {
        self.documents(format).write(&self.pool, &|_, _| Ok(()))?;
        self.check_format(in_place, format)
    }

    /// The documents of the output.
    pub fn documents<'b>(&'b self, format: Format<'b>) -> Documents<'b> {
        let own = self.hierarchy.format();
        Documents {
            stores: self.stores,
            store: self.store(),
            hierarchy: &self.hierarchy,
            origins: self
                .plans
                .iter()
                .filter(|plan| plan.origin > 0)
                .map(|plan| (plan.array.key_prefix(), plan.origin))
                .collect(),
            format: own,
            wanted: format.wanted.unwrap_or(own),
            consolidated: self.hierarchy.consolidated(),
            selects: self.selects,
            groups: self.groups.iter().map(|path| path.trim_start_matches('/')).collect(),
            plans: &self.plans,
            convert: format.convert,
            attributes: format.attributes,
            read: ReadDocuments::default(),
        }
    }

    /// In place, the documents of the other format come at the end, all at once: nothing may have to move before.
    fn check_format(&self, in_place: bool, format: Format) -> Result<(), Failure> {
        let own = self.hierarchy.format();
        if !in_place || format.wanted.unwrap_or(own) == own {
            return Ok(());
        }
        let moves = |plan: &&ArrayPlan| plan.placement == Placement::Swap || plan.new_keys.is_some();
        match self.plans.iter().find(moves) {
            None => Ok(()),
            Some(plan) => Err(Failure::usage("cannot change chunk shapes and the Zarr format in place in one run")
                .at(self.store().place(plan.array.key_prefix()))
                .hint("write a new store, or use two separate runs")),
        }
    }

    /// Parts compute their keys and list nothing: chunks that are called otherwise would be lost silently. A look at the
    /// first keys of each array finds them.
    fn check_separators(&self) -> Result<(), Failure> {
        let checked = self.pool.map(self.plans.iter().collect(), |plan: &ArrayPlan| {
            for object in self.store().list(plan.array.key_prefix())?.take(FIRST_KEYS) {
                if plan.array.key_kind(&object?.key) == Key::WrongSeparator {
                    return Err(wrong_separator(&plan.array, self.store()));
                }
            }
            Ok(())
        });
        checked.into_iter().collect()
    }

    /// The directory for what is replaced, which must be new: nothing in it is written over.
    fn prepare_backup(&self, directory: &Path, staged: &StagedStore) -> Result<String, Failure> {
        let above = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let inside = |store: &Path| above.canonicalize().is_ok_and(|above| above.starts_with(store));
        let store: &Store = self.store();
        if store.location().local().and_then(|path| path.canonicalize().ok()).is_some_and(|store| inside(&store)) {
            return Err(Failure::usage("the backup directory must not be inside the store").at(directory.display()));
        }
        // An empty one is as good: a run that was killed before it had a plan may have made it.
        make_empty_directory(directory).map_err(|error| write_failed(directory, error))?;
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let elsewhere = staged.folder().location().local().is_some_and(|folder| device(folder) != device(directory));
        if elsewhere && self.plans.iter().any(|plan| plan.placement == Placement::Swap) {
            let _ = remove_empty_directory(directory);
            return Err(Failure::usage("the backup directory must be on the same file system as the store")
                .at(directory.display())
                .hint("choose a directory next to the store"));
        }
        Ok(absolute(&Location::Local(directory.to_owned())))
    }
}

/// A location that means the same in every directory.
pub fn absolute(location: &Location) -> String {
    location.absolute().to_string()
}
