//! What a staged leaves behind, and what it does not touch.

use std::path::PathBuf;

use super::*;

fn begin(output: &Path, begin: Begin) -> Result<StagedStore, StoreError> {
    StagedStore::begin(&Location::Local(output.to_owned()), begin, &StoreOptions::default())
}

fn open(output: &Path, who: Claim) -> Result<StagedStore, Failure> {
    StagedStore::open(&Location::Local(output.to_owned()), who, &StoreOptions::default()).map(|(staged, _)| staged)
}

/// What a plan has at least.
const PLAN_TEXT: &[u8] =
    br#"{"v": 1, "tool": "t", "version": "0", "sources": ["s"], "in_place": false, "parts": 1, "fingerprint": 0,
    "cut": {"memory_bytes": 1, "jobs": 1, "readers": 1, "verify": true, "remote_output": false}}"#;

fn refused(opened: Result<StagedStore, Failure>) -> String {
    opened.map(drop).expect_err("is refused").to_string()
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let output = directory.path().join("out.zarr");
    (directory, output)
}

fn entries(directory: &tempfile::TempDir) -> usize {
    fs::read_dir(directory.path()).expect("lists").count()
}

#[test]
fn appears_only_when_published() {
    let (directory, output) = directory();
    let staged = begin(&output, Begin::New).expect("begins");
    staged.objects().put("t2m/c/0/0", b"chunk").expect("writes");
    assert!(!output.exists());
    staged.publish().expect("publishes");
    assert_eq!(fs::read(output.join("t2m/c/0/0")).expect("reads"), b"chunk");
    assert_eq!(entries(&directory), 1, "no folder is left");
    assert!(matches!(begin(&output, Begin::New), Err(StoreError::Exists { .. })));
}

#[test]
fn dropped_it_leaves_nothing_unless_kept() {
    let (directory, output) = directory();
    let staged = begin(&output, Begin::New).expect("begins");
    staged.objects().put("a", b"1").expect("writes");
    drop(staged);
    assert_eq!(entries(&directory), 0);
    let staged = begin(&output, Begin::New).expect("begins");
    staged.save_plan(PLAN_TEXT).expect("writes");
    staged.objects().put("a", b"1").expect("writes");
    staged.keep();
    drop(staged);
    assert!(matches!(begin(&output, Begin::New), Err(StoreError::Unfinished { .. })));
    let staged = open(&output, Claim::Alone).expect("opens");
    assert!(staged.objects().stat("a").expect("no error").is_some());
    drop(staged);
    let staged = begin(&output, Begin::Overwrite).expect("gives the old one up");
    assert_eq!(staged.objects().stat("a").expect("no error"), None);
}

/// Half of the documents of a store may be new then: to remove the folder would leave a store that nobody can read.
#[test]
fn a_run_that_changes_the_metadata_can_only_be_ended() {
    let (_directory, output) = directory();
    fs::create_dir(&output).expect("creates");
    fs::write(output.join(".zgroup"), b"{}").expect("writes");
    let hint = || {
        let error = begin(&output, Begin::InPlace).map(drop).expect_err("is unfinished");
        Failure::from(error).advice().expect("a hint").to_owned()
    };
    let staged = begin(&output, Begin::InPlace).expect("begins");
    staged.save_plan(PLAN_TEXT).expect("writes");
    staged.keep();
    drop(staged);
    assert!(hint().contains("remove its .plan directory"), "{}", hint());
    let staged = open(&output, Claim::Alone).expect("opens");
    staged.folder().put(FINISHING, b"").expect("writes");
    drop(staged);
    assert!(hint().contains("--resume") && !hint().contains("remove"), "{}", hint());
}

#[test]
fn one_alone_or_many_that_share() {
    let (_directory, output) = directory();
    let staged = begin(&output, Begin::New).expect("begins");
    staged.save_plan(PLAN_TEXT).expect("writes");
    staged.keep();
    assert!(matches!(begin(&output, Begin::New), Err(StoreError::Busy { .. })));
    assert!(refused(open(&output, Claim::Shared)).ends_with("another run is writing to it"));
    open(&output, Claim::Nothing).expect("may be looked at");
    drop(staged);
    let parts = [open(&output, Claim::Shared).expect("opens"), open(&output, Claim::Shared).expect("opens")];
    assert!(refused(open(&output, Claim::Alone)).ends_with("another run is writing to it"));
    drop(parts);
    open(&output, Claim::Alone).expect("opens").publish().expect("publishes");
    assert!(refused(open(&output, Claim::Alone)).ends_with("no unfinished run found"));
}

#[test]
fn overwrite_replaces_the_whole() {
    let (directory, output) = directory();
    for content in ["1", "2"] {
        let staged = begin(&output, Begin::Overwrite).expect("begins");
        staged.objects().put(".zgroup", content.as_bytes()).expect("writes");
        staged.publish().expect("publishes");
    }
    assert_eq!(fs::read(output.join(".zgroup")).expect("reads"), b"2");
    assert_eq!(entries(&directory), 1, "the old one is gone");
    fs::write(output.join("notes.txt"), b"x").expect("writes");
    assert!(matches!(begin(&output, Begin::Overwrite), Err(StoreError::Strangers { .. })));
    fs::remove_file(output.join("notes.txt")).expect("removes");
    let staged = begin(&output, Begin::Overwrite).expect("begins");
    fs::write(output.join("notes.txt"), b"x").expect("writes");
    assert!(
        matches!(staged.publish(), Err(StoreError::Strangers { .. })),
        "what came meanwhile is no part of it, either"
    );
    assert!(output.join("notes.txt").exists());
}

#[test]
fn only_stores_and_empty_directories_are_overwritten() {
    let (directory, empty) = directory();
    let thesis = directory.path().join("thesis");
    fs::create_dir_all(thesis.join("deep")).expect("creates");
    fs::write(thesis.join("deep/chapter"), b"x").expect("writes");
    fs::create_dir(&empty).expect("creates");
    for output in [&thesis, &thesis.join("deep/chapter")] {
        assert!(matches!(begin(output, Begin::Overwrite), Err(StoreError::NotReplaceable { .. })));
    }
    begin(&empty, Begin::Overwrite).expect("begins").publish().expect("publishes");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let (directory, output) = directory();
    let folder = directory.path().join("out.zarr.plan");
    fs::create_dir(&folder).expect("creates");
    let put = |name: &str, text: &[u8]| fs::write(folder.join(name), text).expect("writes");
    let foreign: [&[(&str, &[u8])]; 4] = [
        &[("budget.ods", b"x")],
        &[("budget.ods", b"x"), ("lock", b"")],
        &[("lock", b"mine")],
        &[("plan.json", br#"{"rooms": 3}"#), ("lock", b"")],
    ];
    for files in foreign {
        files.iter().for_each(|(name, text)| put(name, text));
        for how in [Begin::New, Begin::Overwrite, Begin::InPlace] {
            assert!(matches!(begin(&output, how), Err(StoreError::Exists { .. })), "{files:?}");
        }
        assert!(open(&output, Claim::Alone).is_err() && open(&output, Claim::Shared).is_err());
        let found = fs::read_dir(&folder).expect("lists").count();
        assert!(
            found == files.len()
                && files.iter().all(|(name, text)| fs::read(folder.join(name)).expect("stays") == *text)
        );
        files.iter().for_each(|(name, _)| fs::remove_file(folder.join(name)).expect("removes"));
    }
    fs::remove_dir(&folder).expect("removes");
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("creates");
    std::os::unix::fs::symlink(&elsewhere, &folder).expect("links");
    assert!(matches!(begin(&output, Begin::New), Err(StoreError::Exists { .. })), "nothing is made behind a link");
}

/// A run that was killed before it had a plan leaves what every run makes first.
#[test]
fn a_folder_that_never_had_a_plan_is_taken() {
    let (directory, output) = directory();
    let folder = directory.path().join("out.zarr.plan");
    for made_more in [false, true] {
        fs::create_dir_all(folder.join(if made_more { "store/x" } else { "" })).expect("creates");
        fs::write(folder.join("lock"), if made_more { "ztools host 1\n" } else { "" }).expect("writes");
        if !made_more {
            drop(begin(&output, Begin::New).expect("begins"));
            continue;
        }
        fs::write(folder.join("finishing"), "").expect("writes");
        fs::write(folder.join(".plan.json.tmp-host-1-0"), b"{").expect("writes");
        let staged = begin(&output, Begin::New).expect("begins");
        assert!(!folder.join("store/x").exists() && !folder.join(".plan.json.tmp-host-1-0").exists());
        drop(staged);
        assert_eq!(entries(&directory), 0);
    }
    // Of a run that removed its lock before this mark.
    fs::create_dir(&folder).expect("creates");
    fs::write(folder.join("finishing"), "").expect("writes");
    drop(begin(&output, Begin::New).expect("begins"));
    // Another program's folder, with a lock of its own and names that ours have, too.
    fs::create_dir_all(folder.join("store")).expect("creates");
    fs::write(folder.join("store/precious"), "theirs").expect("writes");
    for mark in ["lock", "finishing"] {
        fs::write(folder.join(mark), "").expect("writes");
        for how in [Begin::New, Begin::Overwrite] {
            assert!(matches!(begin(&output, how), Err(StoreError::Exists { .. })), "{mark}");
        }
        assert!(folder.join("store/precious").exists());
        fs::remove_file(folder.join(mark)).expect("removes");
    }
}

/// The lock of a folder that has gone belongs to no run: a process that opened it before must not take it for the new one.
#[test]
fn the_lock_of_a_folder_that_is_gone_is_no_lock() {
    let (directory, output) = directory();
    let location = Location::Local(output.clone());
    let staged = begin(&output, Begin::New).expect("begins");
    let folder = Store::open_at(&folder_of(&location).expect("a name"), &StoreOptions::default()).expect("opens");
    assert!(matches!(claim(&folder, Claim::Alone, &location, &StoreOptions::default()), Err(StoreError::Busy { .. })));
    staged.publish().expect("publishes");
    assert!(
        matches!(claim(&folder, Claim::Alone, &location, &StoreOptions::default()), Ok(Claimed::Gone)),
        "there is no folder"
    );
    assert_eq!(entries(&directory), 1, "and none is made");
}

/// Many begin and end at the same time, and each of them has the folder for itself all the while.
#[test]
fn nobody_loses_a_folder_to_the_one_before() {
    let (_directory, output) = directory();
    let (working, done) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) < 300 && std::time::Instant::now() < deadline {
                    match begin(&output, Begin::Overwrite) {
                        Ok(staged) => {
                            assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                            staged.objects().put(".zgroup", b"{}").expect("its folder is there");
                            let put = staged.folder().put("journal/1/1.jsonl", b"{}");
                            put.expect("its folder is there");
                            working.fetch_sub(1, Ordering::SeqCst);
                            staged.publish().expect("publishes");
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(StoreError::Busy { .. }) => std::thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert!(done.into_inner() >= 300, "too slow");
}

#[test]
fn a_name_taken_meanwhile_is_not_replaced() {
    let (_directory, output) = directory();
    let staged = begin(&output, Begin::New).expect("begins");
    fs::create_dir(&output).expect("creates");
    fs::write(output.join("theirs"), b"x").expect("writes");
    staged.objects().put("ours", b"y").expect("writes");
    let Err(StoreError::Unpublished { kept, .. }) = staged.publish() else { panic!("the name is taken") };
    assert!(output.join("theirs").exists() && !output.join("ours").exists());
    assert!(Path::new(&kept).join("ours").exists(), "what is whole is kept");
}

/// A run that was killed between the step that gave the name and the removal of the folder is finished a second time.
#[test]
fn the_name_is_given_once() {
    let (directory, output) = directory();
    fs::create_dir(&output).expect("creates");
    fs::write(output.join(".zgroup"), b"old").expect("writes");
    let staged = begin(&output, Begin::Overwrite).expect("begins");
    let text = String::from_utf8_lossy(PLAN_TEXT).replace("\"parts\"", "\"overwrite\": true, \"parts\"");
    staged.save_plan(text.as_bytes()).expect("writes");
    staged.objects().put(".zgroup", b"new").expect("writes");
    let inside = staged.objects().location().local().expect("local").to_owned();
    staged.name(&inside, &output).expect("names");
    assert_eq!(fs::read(inside.join(".zgroup")).expect("reads"), b"old", "it stands there until the folder goes");
    staged.keep();
    drop(staged);
    let staged = open(&output, Claim::Alone).expect("opens");
    staged.publish().expect("publishes");
    assert_eq!(fs::read(output.join(".zgroup")).expect("reads"), b"new");
    assert_eq!(entries(&directory), 1);
}
