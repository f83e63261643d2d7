//! The same faults in stores that are no directories: inside of a zip archive, in an object store, behind a web server.

use std::fs;

use harness::{ObjectServer, Tool, Zip};

use super::{assert_found, faults};
use crate::made::Format::{Sharded, V2, V3};
use crate::made::Scene;

/// Faults that a list shows, in an archive.
#[test]
fn faults_are_found_inside_of_a_zip_archive() {
    for fault in faults().iter().filter(|fault| fault.formats.contains(&V2)) {
        let scene = Scene::sound(V2);
        (fault.plant)(&scene);
        let archive = scene.directory.path().join("in.zarr.zip");
        fs::write(&archive, Zip::of(&scene.store(), "", false).finish()).unwrap();
        let outcome = Tool::new("zvalidate").arg("--json").args(fault.flags).arg(&archive).run();
        assert_found(&outcome, fault, &scene, "zip");
    }
}

/// The same over a network.
#[test]
fn faults_are_found_in_an_object_store() {
    for fault in faults().iter().filter(|fault| fault.formats.contains(&Sharded) && fault.kind != "constant_array") {
        let scene = Scene::sound(Sharded);
        (fault.plant)(&scene);
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let tool = Tool::hermetic("zvalidate").args(["--json", "--anonymous", "--level", "full", "--endpoint"]);
        let outcome = tool.arg(server.endpoint()).args(fault.flags).arg(server.s3_url("in.zarr")).run();
        assert_found(&outcome, fault, &scene, "s3");
    }
}

/// A web server cannot list: chunks that are not there are found by asking for each.
#[test]
fn faults_are_found_behind_a_web_server() {
    let kinds = ["missing_chunks", "missing_steps", "truncated", "empty_object", "undecodable", "nan_steps"];
    for fault in faults().iter().filter(|fault| fault.formats.contains(&V3) && kinds.contains(&fault.kind)) {
        let scene = Scene::sound(V3);
        (fault.plant)(&scene);
        scene.consolidate();
        let server = ObjectServer::start(scene.directory.path(), vec![]);
        let tool = Tool::hermetic("zvalidate").args(["--json", "--level", "full"]).args(fault.flags);
        let outcome = tool.arg(server.http_url("in.zarr")).run();
        assert_found(&outcome, fault, &scene, "http");
    }
    let scene = Scene::sound(V3);
    scene.consolidate();
    let server = ObjectServer::start(scene.directory.path(), vec![]);
    let header = Tool::hermetic("zvalidate").arg(server.http_url("in.zarr")).run().expect(0);
    assert_eq!(header.summary()["level"], "header");
    let list = Tool::hermetic("zvalidate").args(["--level", "list"]).arg(server.http_url("in.zarr")).run();
    assert!(list.code != 0 && list.stderr.contains("--level header"), "{}", list.stderr);
}
