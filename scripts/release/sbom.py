"""What the tools are built from: a bill of materials (CycloneDX 1.6), and the licences of all of it."""

from __future__ import annotations

import json
import subprocess
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path

from tree import REPO, Package, tools

LICENCE_FILES = ("license", "licence", "copying", "notice", "unlicense")


@dataclass(frozen=True)
class Crates:
    """The crates in the tools, as cargo resolves them, and what each of them depends on."""

    crates: dict[str, dict]
    uses: dict[str, list[str]]

    def foreign(self) -> list[dict]:
        """Those of other projects, by name and version."""
        found = [crate for crate in self.crates.values() if crate["source"]]
        return sorted(found, key=lambda crate: (crate["name"], crate["version"]))


def crates(platform: str) -> Crates:
    """Everything that is compiled for the tools or runs while they are compiled, but not what only tests use."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", platform]
    text = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout
    metadata = json.loads(text)
    known = {crate["id"]: crate for crate in metadata["packages"]}
    uses = {node["id"]: sorted(used["pkg"] for used in node["deps"] if is_built(used)) for node in metadata["resolve"]["nodes"]}
    waiting = [crate["id"] for crate in known.values() if not crate["source"] and crate["name"] in tools()]
    seen: set[str] = set()
    while waiting:
        crate = waiting.pop()
        if crate not in seen:
            seen.add(crate)
            waiting += uses[crate]
    return Crates({crate: known[crate] for crate in sorted(seen)}, {crate: uses[crate] for crate in sorted(seen)})


def is_built(used: dict) -> bool:
    """Whether a dependency is more than one of tests."""
    return any(kind["kind"] != "dev" for kind in used["dep_kinds"])


def bill(package: Package, found: Crates, date: str) -> bytes:
    """The bill of materials."""
    locked = tomllib.loads((REPO / "Cargo.lock").read_text())["package"]
    sums = {(crate["name"], crate["version"]): crate.get("checksum") for crate in locked}
    main = {"type": "application", "bom-ref": package.name, "name": package.name, "version": package.version}
    own = [reference(crate) for crate in found.crates.values() if not crate["source"] and crate["name"] in tools()]
    depends = [{"ref": package.name, "dependsOn": sorted(own)}]
    depends += [
        {"ref": reference(found.crates[crate]), "dependsOn": sorted(reference(found.crates[used]) for used in uses)}
        for crate, uses in found.uses.items()
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([package.version, sorted(found.crates)]))}",
        "version": 1,
        "metadata": {"timestamp": date, "component": main | {"licenses": [{"expression": package.license}]}},
        "components": [component(crate, sums.get((crate["name"], crate["version"]))) for crate in found.crates.values()],
        "dependencies": sorted(depends, key=lambda entry: str(entry["ref"])),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def reference(crate: dict) -> str:
    """The name of a crate in the bill; crates of a registry have a package URL."""
    return f"pkg:cargo/{crate['name']}@{crate['version']}" if crate["source"] else f"{crate['name']}@{crate['version']}"


def component(crate: dict, checksum: str | None) -> dict:
    """A crate."""
    entry = {"type": "library", "bom-ref": reference(crate), "name": crate["name"], "version": crate["version"]}
    if crate["license"]:
        # An old way to write OR.
        entry["licenses"] = [{"expression": crate["license"].replace("/", " OR ")}]
    if crate["source"]:
        entry["purl"] = reference(crate)
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if crate["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": crate["repository"]}]
    return entry


def notices(found: Crates) -> bytes:
    """The licences of the crates, and of the C libraries in them; a text that many have is printed once."""
    owners: dict[str, list[str]] = {}
    without = []
    for crate in found.foreign():
        name = f"{crate['name']} {crate['version']} ({crate['license']})"
        texts = licence_texts(Path(crate["manifest_path"]).parent)
        # Of a crate without the text of the library in it.
        kept = REPO / f"scripts/release/licences/{crate['name']}.txt"
        texts += [kept.read_text()] if kept.exists() else []
        for text in texts:
            owners.setdefault(text, []).append(name)
        if not texts:
            without.append(name)
    parts = ["The tools contain the following software of others.\n"]
    parts += ["\n".join([*names, "", text]) for text, names in sorted(owners.items(), key=lambda entry: entry[1])]
    if without:
        parts.append("\n".join(["Without a text of their own:", *without, ""]))
    return f"\n{'-' * 80}\n\n".join(parts).encode()


def licence_texts(directory: Path) -> list[str]:
    """The texts in a crate, and in the sources of a C library below it."""
    found = set()
    for path in directory.rglob("*"):
        is_named = path.name.lower().startswith(LICENCE_FILES) or path.parent.name.lower() == "licenses"
        is_near = len(path.relative_to(directory).parts) <= 4
        if is_named and is_near and path.suffix.lower() in ("", ".txt", ".md") and path.is_file():
            found.add(path.read_text(errors="replace").strip() + "\n")
    return sorted(found)
