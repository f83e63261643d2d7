"""The manifests of scripts/k8s, against the schemas that Kubernetes publishes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest

SUBMIT = Path(__file__).parents[2] / "scripts/k8s/submit.sh"


def manifests(**variables: str) -> list[dict]:
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    command = [SUBMIT, "-p", "-n", "64", "-o", "s3://bucket/out.zarr", "zrecompress", "s3://bucket/it's.zarr", "--clevel", "5"]
    text = subprocess.run(command, capture_output=True, check=True, text=True, env={"PATH": "/usr/bin:/bin"} | variables).stdout
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


@pytest.mark.parametrize("version", ["1.31", "1.34", "1.37"])
@pytest.mark.parametrize("variables", [{}, {"SECRET": "keys", "SERVICE_ACCOUNT": "weather", "CPUS": "8", "MEMORY": "16Gi"}])
def test_manifests_follow_the_schema(version: str, variables: dict) -> None:
    jobs = manifests(**variables)
    assert [job["metadata"]["name"].rsplit("-")[-1] for job in jobs] == ["prepare", "part", "finish"]
    for job in jobs:
        kubernetes_validate.validate(job, version, strict=True)


def test_the_schema_finds_mistakes() -> None:
    job = manifests()[1]
    job["spec"]["podFailurePolicy"]["rules"][0]["actions"] = "Ignore"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.37", strict=True)
