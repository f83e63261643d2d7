//! The story of the manual page: its commands print what stands there.

#[test]
fn the_story_of_the_manual_page_is_true() {
    let directory = tempfile::tempdir().unwrap();
    let run = harness::run_story("tools/lorenz-ens/src/sections.rs", "LECTURE", directory.path());
    assert!(run >= 1, "{run} commands");
}
