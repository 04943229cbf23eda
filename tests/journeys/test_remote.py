"""`telemetrio export`, `import` and `deadletters` against a running system, also when they break off."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result
from rich.console import Console
from rich.progress import Progress

from shared.process import ExitCode, Refusal
from telemetrio.__main__ import cli
from telemetrio.remote import command, exports, imports, letters, site
from telemetrio.remote.settings import RemoteSettings
from tests.peers.system import System
from tests.peers.waiting import eventually

_ROWS = 300
EVERYTHING = exports.Wanted({"devices": "*", "metrics": None, "start": None, "end": None, "shape": None}, "ndjson")


def run(system: System, *words: object, typed: str = "") -> Result:
    line = [*map(str, words), "--url", system.http]
    return CliRunner().invoke(cli, line, input=typed, catch_exceptions=False)


def said(system: System, *words: object, typed: str = "") -> str:
    done = run(system, *words, typed=typed)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def filled(shared_system: System) -> System:
    """Two devices with readings, some at one moment, and a third that has one."""
    for device_id in ("a", "b"):
        samples = [{"ts": 1767268800 + n, "t": n / 7, "mode": f"é {n}\n"} for n in range(_ROWS)]
        shared_system.publish(f"iot/devices/{device_id}/data", json.dumps(samples))
    shared_system.publish("iot/devices/c/data", b'{"ts": 1767268800, "t": 1}')
    books = "/api/v1/ingest/books"
    eventually(lambda: shared_system.get(books)["total"].get("stored", 0) >= 2 * _ROWS + 1, 30)
    eventually(lambda: len(shared_system.get("/api/devices")) == 3, 30)
    return shared_system


def test_out_and_in_again(filled: System, tmp_path: Path) -> None:
    """Each format by its name; and what came out goes in, every row of it accounted for."""
    for name in ("all.csv", "all.ndjson"):
        file = tmp_path / name
        assert f"{name}: " in said(filled, "export", file)
        assert f"{2 * _ROWS + 1} rows: {2 * _ROWS + 1} taken, 0 of them in part, 0 refused" in said(
            filled, "import", file
        )
    long = tmp_path / "some.csv"
    said(filled, "export", long, "--devices", "a", "--metrics", "t", "--shape", "long", "--end", "2026-01-01T12:00:02Z")
    assert long.read_bytes().splitlines()[0] == b"time,device_id,measurement,metric,value"
    assert long.read_bytes().count(b"\n") == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == ["all.csv", "all.ndjson", "some.csv"]


def test_an_export_that_broke_off_goes_on(filled: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut anywhere, also behind the line that says that it broke off; what was there is not written again."""
    whole = tmp_path / "whole.ndjson"
    said(filled, "export", whole)
    data = whole.read_bytes()
    assert len(data.splitlines()) == 2 * _ROWS + 1
    monkeypatch.setattr(exports, "_TAIL", 2_000)
    told = b'{"error":"The server is about to end","code":"export_incomplete"}\n'
    line = data.index(b"\n", 7_000) + 1
    for number, begun in enumerate((b"", data[:50], data[:line], data[: line + 9], data[:line] + told, data)):
        file = tmp_path / f"{number}.ndjson"
        exports.unfinished_of(file, filled.http, EVERYTHING).write_bytes(begun)
        said(filled, "export", file)
        assert file.read_bytes() == data


def test_another_question_does_not_go_on_with_the_file(filled: System, tmp_path: Path) -> None:
    """What was begun of other devices, in another format or of another system is left where it is."""
    file = tmp_path / "a.ndjson"
    said(filled, "export", tmp_path / "whole.ndjson")
    begun = (tmp_path / "whole.ndjson").read_bytes()
    unfinished = exports.unfinished_of(file, filled.http, EVERYTHING)
    unfinished.write_bytes(begun[: begun.index(b"\n") + 1])
    said(filled, "export", file, "--devices", "b", "--metrics", "t")
    assert {json.loads(line)["device_id"] for line in file.read_text().splitlines()} == {"b"}
    assert unfinished.exists()
    others = [
        exports.unfinished_of(tmp_path / "x", "http://other", EVERYTHING),
        exports.unfinished_of(tmp_path / "x", filled.http, EVERYTHING._replace(format="csv")),
        exports.unfinished_of(tmp_path / "x", filled.http, EVERYTHING),
    ]
    assert len(set(others)) == 3


def test_a_file_that_is_there_is_not_overwritten(filled: System, tmp_path: Path) -> None:
    """Nor is one written whose kind nobody can tell."""
    file = tmp_path / "a.csv"
    file.write_text("mine")
    with pytest.raises(Refusal, match="exists"):
        run(filled, "export", file)
    assert file.read_text() == "mine"
    with pytest.raises(Refusal, match=r"--format"):
        run(filled, "export", tmp_path / "a.xlsx")
    with pytest.raises(Refusal, match=r"call it \.csv"):
        run(filled, "import", tmp_path / "a.parquet")
    with pytest.raises(Refusal, match="can't be read"):
        run(filled, "import", tmp_path / "none.csv")


def test_an_import_that_was_killed_goes_on(filled: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the piece that was under way; rows are numbered as in the file, and each is accounted for once."""
    rows = [f'2026-01-02T00:00:{n:02}Z,a,"{n}"' for n in range(50)]
    rows[12] = "yesterday,a,1"
    rows[33] = '2026-01-02T00:00:33Z,nobody,"two\nlines"'
    rows[40] = f"2026-01-02T00:00:40Z,a,{'x' * 170_000}"
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["time,device_id,t", *rows]))
    monkeypatch.setattr(imports, "PIECE_ROWS", 10)
    monkeypatch.setattr(imports, "BLOCK", 100)
    ask, pieces = site.Site.ask, []

    async def asked(self: site.Site, method: str, path: str, query: Any, sent: Any = None) -> Any:
        pieces.append(sent.data)
        if len(pieces) == 3:
            raise Refusal("killed", ExitCode.DIED)
        return await ask(self, method, path, query, sent)

    monkeypatch.setattr(site.Site, "ask", asked)
    with pytest.raises(Refusal, match="killed"):
        run(filled, "import", file)
    done = run(filled, "import", file)
    assert (done.exit_code, done.stdout) == (1, "50 rows: 47 taken, 0 of them in part, 3 refused\n")
    assert [line.split(": ")[:2] for line in done.stderr.splitlines() if line.startswith("row")] == [
        ["row 13", "bad_timestamp"],
        ["row 34", "unknown_device"],
        ["row 41", "too_large"],
    ]
    assert len(pieces) == 6
    assert pieces[2] == pieces[3]
    assert not file.with_name("a.csv.importing").exists()


def test_dead_letters(filled: System, tmp_path: Path) -> None:
    """Listed, shown, driven again and discarded; no terminal is steered by what they say."""
    filled.publish("iot/devices/l/data", b"\x1b[31mno json")
    filled.publish("iot/devices/l/data", b"not that either")
    filled.publish("iot/devices/l/data", b'{"t": NaN, "u": 1}')
    eventually(lambda: filled.get("/api/v1/dead-letters?device_id=l")["total"] == 3, 20)
    found = {each["payload_text"]: each["id"] for each in filled.get("/api/v1/dead-letters?device_id=l")["data"]}
    told = said(filled, "deadletters", "list", "--device", "l", "--code", "not_json", "--limit", 1)
    assert "not_json" in told
    assert "1 of 2" in told
    first = found["\x1b[31mno json"]
    shown = said(filled, "deadletters", "show", first)
    assert "\ufffd[31mno json" in shown
    assert "\x1b" not in shown
    assert run(filled, "deadletters", "show", first, "--raw").stdout_bytes == b"\x1b[31mno json"
    assert said(filled, "deadletters", "redrive", first) == "1 letters handed to ingest\n"
    assert run(filled, "deadletters", "discard", first, typed="n\n").exit_code == 1
    discarded = said(filled, "deadletters", "discard", "--device", "l", "--kind", "message", typed="y\n")
    assert "2 letters handed to ingest" in discarded
    eventually(lambda: filled.get("/api/v1/dead-letters?device_id=l")["total"] == 1, 20)
    for words in (["redrive"], ["redrive", "1", "--kind", "message"]):
        with pytest.raises(Refusal, match="either ids, or at least one"):
            run(filled, "deadletters", *words)
    with pytest.raises(Refusal, match="Dead letter not found"):
        run(filled, "deadletters", "show", 10**9)


def test_who_is_asked_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address, a key given twice and nobody there are each one sentence with the mend."""
    monkeypatch.setattr(site, "_WAITS_S", (0.0,))
    with pytest.raises(Refusal, match=r"TELEMETRIO_URL: .*http://localhost:5000"):
        command.export(tmp_path / "a.csv", {}, None, url="localhost")
    for wrong in ("http://", "http://localhost:x", "ftp://localhost"):
        with pytest.raises(Refusal, match="TELEMETRIO_URL"):
            command.export(tmp_path / "a.csv", {}, None, url=wrong)
    for behind in ("/path", "/api/v1/", "/?x=1"):
        with pytest.raises(Refusal, match="leave out what stands behind the host"):
            command.export(tmp_path / "a.csv", {}, None, url=f"https://localhost{behind}")
    with pytest.raises(Refusal, match=r"can't be reached.*--url"):
        command.export(tmp_path / "a.csv", {}, None, url="http://127.0.0.1:1")
    (tmp_path / "key").write_text("tk_x\n")
    monkeypatch.setenv("TELEMETRIO_API_KEY_FILE", str(tmp_path / "key"))
    assert RemoteSettings(_env_file=None).key == "tk_x"
    monkeypatch.setenv("TELEMETRIO_API_KEY", "tk_y")
    with pytest.raises(Refusal, match="a key is given twice"):
        command.export(tmp_path / "a.csv", {}, None)


async def test_more_letters_than_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, up to the limit and no further."""
    monkeypatch.setattr(letters, "_PAGE", 3)

    class Paged:
        async def get(self, _path: str, page: int, per_page: int) -> Any:
            return {"data": [{"id": n} for n in range(10)][(page - 1) * per_page : page * per_page], "total": 10}

    paged: Any = Paged()
    assert [each["id"] for each in (await letters.listed(paged, {}, 7))[0]] == list(range(7))
    assert len((await letters.listed(paged, {}, 100))[0]) == 10


async def test_all_that_match_are_commanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, each once, the oldest first, so many at once as the API takes."""
    monkeypatch.setattr(letters, "_PAGE", 3)
    monkeypatch.setattr(letters, "_AT_ONCE", 4)
    sent: list[list[int]] = []

    class Paged:
        async def get(self, _path: str, page: int, per_page: int, **query: Any) -> Any:
            assert query == {"code": "not_json"}
            # one that came meanwhile moves the others to the next page
            found = [9 - n for n in range(10)] if page == 1 else [10 - n for n in range(11)]
            return {"data": [{"id": n} for n in found[(page - 1) * per_page : page * per_page]], "total": len(found)}

        async def post(self, _path: str, body: Any) -> Any:
            sent.append(body["ids"])
            return {"commanded": len(body["ids"])}

    paged: Any = Paged()
    done = await letters.command(paged, "redrive", [], {"code": ["not_json"]}, Progress(disable=True))
    assert done == 10
    assert sent == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_names_of_strangers_are_no_markup() -> None:
    """A device may call its metric as it likes; the table shows it."""
    letter = {"id": 1, "received_at": "2026-01-01T00:00:00Z", "device_id": "d", "kind": "part", "code": "c"}
    shown = io.StringIO()
    letters.show([{**letter, "entries": 1, "detail": "[/red] [bold]"}], 1, Console(file=shown, width=200))
    assert "[/red] [bold]" in shown.getvalue()


async def test_a_page_for_people_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a portal, or of some other server: one sentence, and nothing of it in the file."""
    monkeypatch.setattr(site, "_WAITS_S", ())

    async def page(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="<!doctype html>", content_type="text/html")

    async def text(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="ok")

    for answer in (page, text):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server, site.opened(url=str(server.make_url("/"))) as opened:
            with pytest.raises(Refusal, match=r"answers 200, and not as telemetrio does: check --url"):
                await letters.listed(opened, {}, 1)
            if answer is page:
                with pytest.raises(Refusal, match="check --url"):
                    await exports.export(opened, tmp_path / "a.csv", EVERYTHING, Progress(disable=True))
