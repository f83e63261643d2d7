//! The beginning of an output: what must be there before the first chunk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zcli::Status;
use zcodec::Blosc;
use zstore::{Draft, Location, write_failed};
use zwire::Failure;

use crate::choices::Choices;
use crate::cli::Args;
use crate::documents::Documents;
use crate::finish::put_document;
use crate::ledger::misspelled;
use crate::plan::{ArrayPlan, Placement};
use crate::saved::{self, Saved};
use crate::source::is_misspelled;
use crate::survey::{Survey, absolute};

/// Keys of an array that are looked at before it is divided into parts.
const FIRST_KEYS: usize = 100;

impl Survey<'_> {
    /// Writes what must be there before the first chunk: the documents, and then the plan.
    ///
    /// # Errors
    /// A document that cannot be changed, which shows now and not at the end; an output that cannot be written.
    pub fn begin(
        &self,
        args: &Args,
        draft: &Draft,
        choices: Choices,
        chosen: &BTreeMap<String, Blosc>,
        status: &Status,
    ) -> Result<Saved, Failure> {
        if args.machines.prepare && self.listable {
            self.check_separators()?;
        }
        let documents = self.documents(&choices);
        let removed =
            if draft.in_place() && documents.wanted != documents.format { documents.old_keys() } else { Vec::new() };
        for remark in documents.write(&self.pool, &|key, text| put_document(draft, key, text))? {
            status.warn(&remark);
        }
        self.check_format(draft.in_place(), &choices)?;
        let backup = args.backup.as_deref().map(|directory| self.prepare_backup(directory, draft)).transpose()?;
        let saved = Saved {
            v: saved::V,
            tool: "zrecompress".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            source: absolute(self.store.location()),
            in_place: draft.in_place(),
            overwrite: args.overwrite,
            backup,
            parts: args.machines.parts.unwrap_or(1),
            cut: self.cut,
            choices,
            chosen: chosen.iter().map(|(path, blosc)| (path.clone(), saved::spec_of(blosc))).collect(),
            fingerprint: saved::fingerprint(&self.plans),
            beside: saved::beside(&self.plans),
            removed,
        };
        draft.save_plan(&saved.text())?;
        Ok(saved)
    }

    /// Writes the documents of the output, which wait for the end where somebody could see them.
    ///
    /// # Errors
    /// A document that cannot be read, changed or written.
    pub fn write_documents(&self, draft: &Draft, choices: &Choices) -> Result<(), Failure> {
        let documents = self.documents(choices);
        documents.write(&self.pool, &|key, text| put_document(draft, key, text)).map(drop)
    }

    fn documents(&self, choices: &Choices) -> Documents<'_> {
        let format = self.hierarchy.format();
        Documents {
            store: self.store,
            format,
            wanted: choices.format().unwrap_or(format),
            consolidated: self.hierarchy.consolidated(),
            groups: self.groups.iter().map(|path| path.trim_start_matches('/')).collect(),
            plans: &self.plans,
        }
    }

    /// Makes every document, and writes none: what would be refused is refused.
    ///
    /// # Errors
    /// As [`Survey::begin`].
    pub fn check_documents(&self, args: &Args) -> Result<(), Failure> {
        self.documents(&args.choices).write(&self.pool, &|_, _| Ok(()))?;
        self.check_format(args.in_place, &args.choices)
    }

    /// In place, the documents of the other format come at the end, all at once: nothing may have to move before.
    fn check_format(&self, in_place: bool, choices: &Choices) -> Result<(), Failure> {
        let format = self.hierarchy.format();
        if !in_place || choices.format().unwrap_or(format) == format {
            return Ok(());
        }
        let moves = |plan: &&ArrayPlan| plan.placement == Placement::Beside || plan.new_keys.is_some();
        match self.plans.iter().find(moves) {
            None => Ok(()),
            Some(plan) => {
                Err(Failure::usage("its chunks would have to move: that cannot be done in place with a new format")
                    .at(self.store.place(plan.array.key_prefix()))
                    .hint("write a new store, or change the codec in a run of its own"))
            }
        }
    }

    /// Parts compute their keys and list nothing: chunks that are called otherwise would be lost in silence. A look at the
    /// first keys of each array tells.
    fn check_separators(&self) -> Result<(), Failure> {
        let checked = self.pool.map(self.plans.iter().collect(), |plan: &ArrayPlan| {
            for object in self.store.list(plan.array.key_prefix())?.take(FIRST_KEYS) {
                if is_misspelled(&plan.array, &object?.key) {
                    return Err(misspelled(&plan.array, self.store));
                }
            }
            Ok(())
        });
        checked.into_iter().collect()
    }

    /// The directory for what is replaced, which must be new: nothing in it is written over.
    fn prepare_backup(&self, directory: &Path, draft: &Draft) -> Result<String, Failure> {
        let above = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let inside = |store: &Path| above.canonicalize().is_ok_and(|above| above.starts_with(store));
        if self.store.location().local().and_then(|path| path.canonicalize().ok()).is_some_and(|store| inside(&store)) {
            return Err(Failure::usage("the backup lies inside the store").at(directory.display()));
        }
        // An empty one is as good: a run that was killed before it had a plan may have made it.
        if !fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none()) {
            fs::create_dir(directory).map_err(|error| write_failed(directory, error))?;
        }
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let elsewhere = draft.folder().location().local().is_some_and(|folder| device(folder) != device(directory));
        if elsewhere && self.plans.iter().any(|plan| plan.placement == Placement::Beside) {
            let _ = fs::remove_dir(directory);
            return Err(Failure::usage("arrays are moved into the backup, which is on another file system")
                .at(directory.display())
                .hint("choose a directory beside the store"));
        }
        Ok(absolute(&Location::Local(directory.to_owned())))
    }
}
