"""Fetching, against a local server that truncates, corrupts, stalls and answers 503."""

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from datetime import date
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import yaml

from dnastudy.core.errors import FetchError
from dnastudy.data.genes import read_genes
from dnastudy.data.sources import catalogue
from dnastudy.data.sources import http as transport
from dnastudy.data.sources.http import download, file_hash, wrong_content

BODY = bytes(np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8))
QUICK = {"timeout": 0.3, "backoff": 0.01}
FAULTS = [
    "truncate",
    "corrupt",
    "stall",
    "503",
    "503+after",
    "429",
    "truncate+noranges",
    "nolength",
    "truncate+nolength",
]


def blob_id(content: bytes) -> str:
    import hashlib

    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Server:
    """Serves ``files`` (bytes, or a function of query and posted JSON); ``script[path]``: faults, one a request."""

    def __init__(self):
        self.files, self.script, self.seen, self.tag, self.stop = {}, {}, [], '"v1"', threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self, None)

            def do_POST(self):
                outer.answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def answer(self, handler, posted):
        where = urlsplit(handler.path)
        faults = self.script.get(where.path, [])
        fault = set((faults.pop(0) if faults else "ok").split("+"))
        record = {
            "path": where.path,
            "range": handler.headers.get("Range"),
            "if_range": handler.headers.get("If-Range"),
            "key": handler.headers.get("api-key"),
            "status": 200,
            "sent": 0,
        }
        self.seen.append(record)
        handler.close_connection = True
        for status in (503, 429, 404, 403):
            if str(status) in fault:
                record["status"] = status
                handler.send_response(status)
                if "after" in fault:
                    handler.send_header("Retry-After", "1")
                if "long" in fault:
                    handler.send_header("Retry-After", "86400")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
        if "newtag" in fault:
            self.tag = '"v2"'
        body = self.files[where.path]
        body = body(parse_qs(where.query), posted) if callable(body) else body
        ranges = not fault & {"noranges", "nolength"}
        first = 0
        if ranges and record["range"] and record["if_range"] in (None, self.tag):
            first = int(record["range"].removeprefix("bytes=").rstrip("-"))
            record["status"] = 206
        handler.send_response(record["status"])
        if record["status"] == 206:
            handler.send_header("Content-Range", f"bytes {first + ('badrange' in fault)}-{len(body) - 1}/{len(body)}")
        if ranges:
            handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("ETag", self.tag)
        rest = body[first:]
        if "nolength" not in fault:
            handler.send_header("Content-Length", str(len(rest)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        if "corrupt" in fault:
            rest = bytes([rest[0] ^ 1]) + rest[1:]
        if fault & {"truncate", "stall"}:
            rest = rest[: len(rest) // 2]
        handler.wfile.write(rest)
        handler.wfile.flush()
        record["sent"] = len(rest)
        if "stall" in fault:
            self.stop.wait(5)

    def close(self):
        self.stop.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    server = Server()
    server.files["/file"] = BODY
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_long_sleep(monkeypatch):
    """Waits are recorded, not slept: what a server asks for must not slow the tests."""
    slept = []
    monkeypatch.setattr(transport.time, "sleep", lambda seconds: slept.append(seconds))
    return slept


def get(server, target, path="/file", content=BODY, **settings):
    return download(server.url + path, target, **({"blob": blob_id(content)} | QUICK | settings))


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*.part*"))


# --- one file ---------------------------------------------------------------------------------------------------


def test_whole_file_and_no_second_download(server, tmp_path):
    target = tmp_path / "new" / "folder" / "file"
    calls = []
    assert get(server, target, size=len(BODY), progress=lambda *counts: calls.append(counts)) == target
    assert target.read_bytes() == BODY and not leftovers(tmp_path)
    assert calls[-1] == (len(BODY), len(BODY)) and [c[0] for c in calls] == sorted(c[0] for c in calls)
    get(server, target)
    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_once(server, tmp_path, fault):
    server.script["/file"] = [fault]
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY and not leftovers(tmp_path)
    assert len(server.seen) == (1 if fault == "nolength" else 2)


def test_faults_in_combination(server, tmp_path):
    server.script["/file"] = ["503", "truncate", "stall", "429+after", "truncate+corrupt", "ok", "truncate"]
    get(server, tmp_path / "file", retries=6)
    assert (tmp_path / "file").read_bytes() == BODY and not leftovers(tmp_path)


def test_only_missing_bytes_are_asked_for(server, tmp_path):
    server.script["/file"] = ["truncate", "stall"]
    get(server, tmp_path / "file")
    first, second, third = server.seen
    assert first["range"] is None and second["if_range"] == third["if_range"] == '"v1"'
    starts = [int(seen["range"].removeprefix("bytes=").rstrip("-")) for seen in (second, third)]
    assert 0 < starts[0] <= first["sent"] and starts[0] < starts[1] <= starts[0] + second["sent"]
    assert first["sent"] - starts[0] < 1 << 14  # at most one buffer is received twice
    assert third["status"] == 206 and third["sent"] == len(BODY) - starts[1]


def test_changed_file_restarts_from_zero(server, tmp_path):
    server.script["/file"] = ["truncate", "newtag"]
    get(server, tmp_path / "file")
    assert server.seen[1]["range"] and server.seen[1]["status"] == 200 and server.seen[1]["sent"] == len(BODY)


def test_no_range_support_restarts_from_zero(server, tmp_path):
    server.script["/file"] = ["truncate+noranges", "noranges"]
    get(server, tmp_path / "file")
    assert [seen["range"] for seen in server.seen] == [None, None]
    server.script["/file"] = ["truncate", "noranges"]  # ranges promised, then not kept
    get(server, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == BODY


def test_another_range_than_asked_for_is_not_taken(server, tmp_path):
    server.script["/file"] = ["truncate", "badrange", "corrupt"]
    get(server, tmp_path / "file")  # had the bad range been taken, the corrupt answer were the second wrong content
    assert [seen["range"] is None for seen in server.seen] == [True, False, True, True]


def test_the_part_of_another_address_is_not_taken(server, tmp_path):
    server.files["/other"] = BODY
    server.script["/file"] = ["truncate"]
    with pytest.raises(FetchError):
        get(server, tmp_path / "file", retries=0)
    get(server, tmp_path / "file", path="/other")
    assert server.seen[-1]["range"] is None


def test_cut_off_without_a_length_is_a_break_not_another_content(server, tmp_path):
    server.script["/file"] = ["truncate+nolength"] * 3
    get(server, tmp_path / "file")
    assert len(server.seen) == 4 and (tmp_path / "file").read_bytes() == BODY


@pytest.mark.slow
def test_short_body_is_noticed_even_where_the_http_library_does_not(server, tmp_path, monkeypatch):
    whole = transport.requests.Response.iter_content
    cuts = [1000, None]
    monkeypatch.setattr(
        transport.requests.Response, "iter_content", lambda self, _: iter([b"".join(whole(self))[: cuts.pop(0)]])
    )
    get(server, tmp_path / "file")
    assert server.seen[1]["range"] == "bytes=1000-"


def test_posted_requests_are_never_resumed(server, tmp_path):
    server.script["/file"] = ["truncate"]
    get(server, tmp_path / "file", json={"gene_ids": [1]})
    assert [seen["range"] for seen in server.seen] == [None, None]


def test_waits_as_long_as_asked_and_backs_off(server, tmp_path, no_long_sleep):
    server.script["/file"] = ["503", "503", "503+after"]
    get(server, tmp_path / "file", backoff=0.1)
    first, second, third = no_long_sleep
    assert 0.05 <= first <= 0.1 and 0.1 <= second <= 0.2 and third == 1.0


def test_retry_after_of_a_day_gives_up_at_once(server, tmp_path, no_long_sleep):
    server.script["/file"] = ["503+long"] * 9
    with pytest.raises(FetchError, match=r"HTTP 503.*asks to wait 86400 s.*1 attempt"):
        get(server, tmp_path / "file")
    assert not no_long_sleep and list(tmp_path.iterdir()) == []


def test_retry_after_forms():
    assert transport._retry_after(None) == transport._retry_after("soon") == 0
    assert transport._retry_after("7") == 7
    assert transport._retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert transport._retry_after("Fri, 31 Dec 2100 23:59:59 GMT") > 1e9


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "stall+noranges", "truncate+noranges"])
def test_permanent_fault_leaves_nothing(server, tmp_path, fault):
    server.script["/file"] = [fault] * 9
    with pytest.raises(FetchError, match=rf"^{server.url}/file: .*gave up after 3 attempts"):
        get(server, tmp_path / "file", retries=2)
    assert len(server.seen) == 3 and list(tmp_path.iterdir()) == []


def test_permanent_break_keeps_what_came_and_the_next_call_resumes(server, tmp_path):
    server.script["/file"] = ["stall", "503"]
    with pytest.raises(FetchError, match=r"bytes are kept in .*file\.part: try again later to resume"):
        get(server, tmp_path / "file", retries=1)
    assert not (tmp_path / "file").exists() and leftovers(tmp_path) == ["file.part", "file.part.json"]
    held = (tmp_path / "file.part").stat().st_size
    get(server, tmp_path / "file")
    assert server.seen[-1]["range"] == f"bytes={held}-" and server.seen[-1]["sent"] == len(BODY) - held
    assert (tmp_path / "file").read_bytes() == BODY and not leftovers(tmp_path)


def test_wrong_hash_is_refused_after_one_fresh_try(server, tmp_path):
    server.script["/file"] = ["corrupt"] * 9
    wrong = blob_id(bytes([BODY[0] ^ 1]) + BODY[1:])
    with pytest.raises(FetchError) as error:
        get(server, tmp_path / "file")
    assert wrong in str(error.value) and blob_id(BODY) in str(error.value) and "refused" in str(error.value)
    assert len(server.seen) == 2 and server.seen[1]["range"] is None and list(tmp_path.iterdir()) == []


def test_a_damaged_part_is_found_and_fetched_anew(server, tmp_path):
    server.script["/file"] = ["truncate"]
    with pytest.raises(FetchError):
        get(server, tmp_path / "file", retries=0)
    part = tmp_path / "file.part"
    part.write_bytes(b"x" + part.read_bytes()[1:])
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize(("size", "sha256"), [(len(BODY) - 1, None), (None, "0" * 64)])
def test_size_and_sha256_are_checked_too(server, tmp_path, size, sha256):
    with pytest.raises(FetchError, match="instead of"):
        get(server, tmp_path / "file", size=size, sha256=sha256)
    assert list(tmp_path.iterdir()) == []


def test_missing_and_forbidden_are_not_tried_again(server, tmp_path):
    for status, words in (("404", "there is no such file"), ("403", "refuses access")):
        server.script["/file"] = [status] * 9
        server.seen.clear()
        with pytest.raises(FetchError, match=f"HTTP {status}.*{words}"):
            get(server, tmp_path / "file")
        assert len(server.seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_and_bad_address(tmp_path):
    with pytest.raises(FetchError, match="gave up after 2 attempts"):
        download("http://127.0.0.1:9/file", tmp_path / "file", sha256="0" * 64, retries=1, **QUICK)
    with pytest.raises(FetchError, match="check the address"):
        download("no-such-scheme", tmp_path / "file", sha256="0" * 64, **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_unverifiable_content_needs_to_be_asked_for(server, tmp_path):
    with pytest.raises(ValueError, match="unverified=True"):
        download(server.url + "/file", tmp_path / "file", **QUICK)
    assert not server.seen
    download(server.url + "/file", tmp_path / "file", unverified=True, **QUICK)
    assert (tmp_path / "file").read_bytes() == BODY


def test_another_file_at_the_target_is_left_alone(server, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FetchError, match="left alone"):
        get(server, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine" and not server.seen


def test_unwritable_place(server, tmp_path):
    (tmp_path / "folder").write_text("a file where a folder is needed")
    with pytest.raises(FetchError, match="cannot write"):
        get(server, tmp_path / "folder" / "file")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_in_the_middle(server, tmp_path):
    server.script["/file"] = ["stall"]
    code = (
        f"from dnastudy.data.sources.http import download; download({server.url + '/file'!r}, "
        f"{str(tmp_path / 'file')!r}, blob={blob_id(BODY)!r}, timeout=30)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=catalogue.Path(__file__).parents[2])
    part, end = tmp_path / "file.part", time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 50_000):
        assert process.poll() is None and time.monotonic() < end
        threading.Event().wait(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "file").exists()
    held = part.stat().st_size
    get(server, tmp_path / "file")
    assert server.seen[-1]["range"] == f"bytes={held}-"
    assert (tmp_path / "file").read_bytes() == BODY and not leftovers(tmp_path)


# --- the paper's files ------------------------------------------------------------------------------------------


@pytest.fixture
def paper(server, tmp_path):
    """A small registry of three files, served faultily."""
    contents = {"train": b"1" * 5000, "test": b"2" * 3000, "pairs": b"3" * 1000}
    files = []
    for name, content in contents.items():
        server.files[f"/repo/Datasets/{name}.csv"] = content
        files.append(
            {"name": name, "source": f"Datasets/{name}.csv", "path": f"genes/{name}.csv", "blob": blob_id(content)}
        )
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"paper": {"base_url": server.url + "/repo", "files": files}}))
    return path


def test_paper_files_through_faults_then_kept(server, paper, tmp_path):
    server.script |= {"/repo/Datasets/train.csv": ["503", "corrupt"], "/repo/Datasets/test.csv": ["truncate", "stall"]}
    folder, told = tmp_path / "data", []
    catalogue.fetch_paper(folder, registered=paper, progress=lambda *what: told.append(what), **QUICK)
    assert (folder / "genes" / "test.csv").read_bytes() == b"2" * 3000 and not leftovers(folder)
    assert {name for name, _, _ in told} == {"train", "test", "pairs"} and ("test", 3000, 3000) in told
    assert set(catalogue.verify(folder, paper)["status"]) == {"present"}
    requests = len(server.seen)
    catalogue.fetch_paper(folder, registered=paper, **QUICK)
    assert len(server.seen) == requests


def test_paper_refuses_wrong_files_and_keeps_the_right_ones(server, paper, tmp_path):
    server.files["/repo/Datasets/test.csv"] = b"another release"
    with pytest.raises(FetchError, match=r"test\.csv: refused, wrong content twice"):
        catalogue.fetch_paper(tmp_path / "data", registered=paper, **QUICK)
    (tmp_path / "data" / "genes" / "pairs.csv").write_bytes(b"3" * 999)
    table = catalogue.verify(tmp_path / "data", paper).set_index("name")
    assert dict(table["status"]) == {"train": "present", "test": "missing", "pairs": "wrong hash"}
    assert blob_id(b"3" * 1000) in table.loc["pairs", "problem"]


def test_paper_names_and_mirror(server, paper, tmp_path):
    got = catalogue.fetch_paper(tmp_path, registered=paper, names=["test"], base_url=server.url + "/repo/", **QUICK)
    assert got == [tmp_path / "genes" / "test.csv"] and len(server.seen) == 1
    with pytest.raises(ValueError, match="unknown teste; registered are train, test, pairs"):
        catalogue.fetch_paper(tmp_path, registered=paper, names=["teste"])


def test_registry_entries_must_be_verifiable_and_stay_inside(tmp_path):
    entry = {"name": "x", "source": "x", "path": "x", "blob": "0" * 40}
    for change, words in (({"blob": ""}, "no git blob id"), ({"path": "../x"}, "leaves the data folder")):
        path = tmp_path / "sources.yaml"
        path.write_text(yaml.safe_dump({"paper": {"base_url": "http://x", "files": [entry | change]}}))
        with pytest.raises(ValueError, match=words):
            catalogue.paper_files(registered=path)


def test_the_projects_registry():
    files = catalogue.paper_files()
    paper = catalogue.registry()["paper"]
    assert len({f.path for f in files}) == len({f.name for f in files}) == len(files) == 10
    assert {"genes/train.csv", "genes/validation.csv", "genes/test.csv"} <= {f.path for f in files}
    assert all(f.url.startswith("https://") and paper["commit"] in f.url for f in files)
    assert catalogue.registry()["ncbi"]["base_url"].startswith("https://")


@pytest.mark.realdata
def test_registry_against_the_real_files(real_data):
    there = [f for f in catalogue.paper_files() if (real_data / f.path).exists()]
    assert {"test", "validation"} <= {f.name for f in there}
    for file in there:
        assert wrong_content(real_data / file.path, blob=file.blob, size=file.size) is None


# --- NCBI -------------------------------------------------------------------------------------------------------


def ncbi_genes():
    """42 genes: id → list of (locus, sequence); some to be dropped for each reason."""
    random = np.random.default_rng(1)
    genes = {}
    for i in range(34):
        genes[100 + i] = [(f"NC_1.1:{i}", "".join(random.choice(list("ACGT"), 50 + 10 * i)))]
    genes[100] = [("NC_1.1:0", genes[100][0][1].lower())]
    genes[200] = [("NC_1.1:200", "ACGTNNACGT")]
    genes[201] = [("NC_1.1:201", genes[101][0][1])]  # the sequence of gene 101
    genes[202] = [("NC_1.1:202", "A" * 1001)]  # longer than its report says
    genes[203] = [("NC_X.1:203", "ACGTTTGCA" * 9), ("NC_Y.1:203", "ACGTTTGCA" * 9)]
    genes[204] = [("NC_X.1:204", "ACGTTTGAA" * 9), ("NC_Y.1:204", genes[205 - 100 + 5][0][1])]
    genes[205] = [("NC_1.1:205", "G" * 5000)]
    genes[206], genes[207] = [("NC_1.1:206", "C" * 1001)], [("NC_1.1:207", "C" * 1000)]
    return genes


@pytest.fixture
def ncbi(server):
    """NCBI Datasets as far as needed: paged gene list, packages by id."""
    genes = ncbi_genes()
    order = sorted(genes, reverse=True)

    def report(gene):
        length = len(genes[gene][0][1]) if gene != 202 else 900
        span = {"begin": "1000", "end": str(999 + length), "orientation": "plus"}
        places = [{"genomic_accession_version": "NC_1.1", "genomic_range": span}]
        return {"gene": {"gene_id": str(gene), "annotations": [{"genomic_locations": places}] if gene != 103 else []}}

    def page(query, _):
        size, start = int(query["page_size"][0]), int(query.get("page_token", ["x/+0"])[0].removeprefix("x/+"))
        answer = {"reports": [report(gene) for gene in order[start : start + size]], "total_count": len(genes)}
        return json.dumps(answer | ({"next_page_token": f"x/+{start + size}"} if start + size < len(genes) else {}))

    def package(_, posted):
        assert posted["include_annotation_type"] == ["FASTA_GENE"]
        fasta, reports = [], []
        for gene in posted["gene_ids"]:
            reports.append({"geneId": str(gene), "symbol": f"S{gene}", "type": "PSEUDO" if gene % 2 else "ncRNA"})
            fasta += [f">{at} S{gene} [organism=Homo sapiens] [GeneID={gene}]\n{text}" for at, text in genes[gene]]
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.md", "x")
            archive.writestr("ncbi_dataset/data/gene.fna", "\n".join(fasta))
            archive.writestr("ncbi_dataset/data/data_report.jsonl", "\n".join(map(json.dumps, reports)))
        return stream.getvalue()

    server.files["/v2/gene/taxon/9606/dataset_report"] = lambda *args: page(*args).encode()
    server.files["/v2/gene/download"] = package
    return server


def fetch(server, folder, **settings):
    asked = {"base_url": server.url + "/v2", "batch": 15, "pause": 0, "today": date(2024, 2, 29), "seed": 3}
    return catalogue.fetch_ncbi(folder, **(asked | QUICK | settings))


def test_ncbi_through_faults(ncbi, tmp_path, monkeypatch):
    monkeypatch.setenv("NCBI_API_KEY", "secret")
    ncbi.script["/v2/gene/taxon/9606/dataset_report"] = ["503", "truncate+noranges", "ok", "corrupt"]
    ncbi.script["/v2/gene/download"] = ["stall", "corrupt", "503+after", "ok", "truncate+nolength"]
    card = fetch(ncbi, tmp_path)
    assert {seen["key"] for seen in ncbi.seen} == {"secret"} and not any(
        seen["range"] for seen in ncbi.seen if seen["path"] == "/v2/gene/download"
    )
    assert card["date"] == card["finished"] == "2024-02-29" and card["taxon"] == 9606
    assert (card["announced"], card["listed"], card["longer_by_range"], card["asked"]) == (42, 42, 2, 40)
    assert card["records"] == 42 and card["genes"] == 37
    assert card["dropped"] == {"longer": 1, "invalid": 1, "empty": 0, "further_loci": 2, "duplicates": 1}
    tables = {name: read_genes(tmp_path / "genes" / f"{name}.csv") for name in ("train", "validation", "test")}
    assert [len(table) for table in tables.values()] == [22, 7, 8]
    ids = [gene for table in tables.values() for gene in table["id"]]
    assert sorted(ids) == sorted([str(100 + i) for i in range(34)] + ["203", "204", "207"])  # 110 keeps its sequence
    assert sum(table["nucleotides"] for table in card["tables"].values()) == card["nucleotides"]
    for path, table in card["tables"].items():
        assert file_hash(tmp_path / path) == table["sha256"]
    assert abs(sum(card["types"].values()) - 1) < 1e-3
    text = (tmp_path / "CARD.md").read_text()
    assert "2024-02-29" in text and card["tables"]["genes/test.csv"]["sha256"] in text and ncbi.url in text
    assert json.loads((tmp_path / "card.json").read_text()) == card and "secret" not in text + json.dumps(card)
    assert not leftovers(tmp_path) and not (tmp_path / "package" / "page.json").exists()


def test_ncbi_is_not_fetched_twice_and_damage_is_found(ncbi, tmp_path):
    card = fetch(ncbi, tmp_path)
    requests = len(ncbi.seen)
    assert fetch(ncbi, tmp_path, today=date(2025, 1, 1)) == card and len(ncbi.seen) == requests
    assert set(catalogue.verify(tmp_path)["status"]) == {"present"}
    (tmp_path / "genes" / "test.csv").write_text("x")
    with pytest.raises(FetchError, match=r"genes/test\.csv: wrong hash.*move"):
        fetch(ncbi, tmp_path)
    (tmp_path / "genes").rename(tmp_path / "old")
    again = fetch(ncbi, tmp_path, today=date(2025, 1, 1))
    assert again["tables"] == card["tables"] and again["date"] == card["date"] and len(ncbi.seen) == requests
    with pytest.raises(FetchError, match=r"another set, with seed 3 \(not 4\)"):
        fetch(ncbi, tmp_path, seed=4)


def test_ncbi_broken_call_resumes_with_what_is_missing(ncbi, tmp_path):
    ncbi.script["/v2/gene/download"] = ["ok", "503"]
    with pytest.raises(FetchError, match="HTTP 503"):
        fetch(ncbi, tmp_path, retries=0)
    assert not (tmp_path / "genes").exists() and not (tmp_path / "card.json").exists()
    ncbi.seen.clear()
    card = fetch(ncbi, tmp_path, today=date(2024, 3, 1))
    assert [seen["path"] for seen in ncbi.seen] == ["/v2/gene/download"] * 2  # the list and one package were there
    assert (card["date"], card["finished"]) == ("2024-02-29", "2024-03-01")
    assert "2024-02-29 to 2024-03-01" in (tmp_path / "CARD.md").read_text()
    with pytest.raises(FetchError, match="belongs to another request"):
        (tmp_path / "genes").rename(tmp_path / "old")
        fetch(ncbi, tmp_path, max_length=500)


def test_ncbi_cut_list_and_foreign_folder(ncbi, tmp_path):
    whole = ncbi.files["/v2/gene/taxon/9606/dataset_report"]
    ncbi.files["/v2/gene/taxon/9606/dataset_report"] = lambda *args: whole(*args).replace(b"next_page_token", b"other")
    with pytest.raises(FetchError, match="ended after 15 of 42 genes"):
        fetch(ncbi, tmp_path / "cut")
    (tmp_path / "paper" / "genes").mkdir(parents=True)
    with pytest.raises(FetchError, match="another set"):
        fetch(ncbi, tmp_path / "paper")
    with pytest.raises(ValueError, match="batch"):
        fetch(ncbi, tmp_path / "new", batch=2000)


def test_ncbi_error_page_instead_of_a_package(ncbi, tmp_path):
    ncbi.files["/v2/gene/download"] = lambda *args: b"<html>maintenance</html>"
    with pytest.raises(FetchError, match="not a complete zip file"):
        fetch(ncbi, tmp_path)
    assert not (tmp_path / "genes").exists() and not leftovers(tmp_path)
