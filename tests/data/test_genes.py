"""Gene tables: every format, every refusal with file, record and position, every policy counted."""

import gzip
import json
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from dnastudy.core.errors import DataError
from dnastudy.data.fasta import read_fasta
from dnastudy.data.genes import COLUMNS, Policy, ReadReport, check_genes, read_genes, table_hash, write_genes
from dnastudy.data.sequences import END, EncodedSequences, decode, encode, reverse_complement

HEADER = "NCBIGeneID,Symbol,Description,GeneType,GeneGroupIdentifier,GeneGroupMethod,NucleotideSequence\n"
ROWS = '1,A1,"first, with a comma",PSEUDO,,,<ACGT>\n2,A2,second,ncRNA,,,<TTTTG>\n'
EXPECTED = pd.DataFrame(
    [("1", "A1", "first, with a comma", "PSEUDO", "ACGT"), ("2", "A2", "second", "ncRNA", "TTTTG")],
    columns=COLUMNS,
    dtype="str",
)


@pytest.fixture
def put(tmp_path):
    """Write bytes or text to a file and return its path."""

    def write(content, name="genes.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refused(path, policy=None):
    with pytest.raises(DataError) as error:
        read_genes(path, policy)
    message = str(error.value)
    assert str(path) in message
    return message


def package(path, fasta, reports, names=("ncbi_dataset/data/gene.fna", "ncbi_dataset/data/data_report.jsonl")):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(names[0], fasta)
        archive.writestr(names[1], "\n".join(r if isinstance(r, str) else json.dumps(r) for r in reports))
    return path


# --- formats ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "text",
    [
        HEADER + ROWS,
        (HEADER + ROWS).replace("\n", "\r\n"),
        "\ufeff" + HEADER + ROWS,
        "\n\n" + HEADER + "\n" + ROWS + "\n",
        HEADER + ROWS.replace("<ACGT>", "acgt").replace("<TTTTG>", "ttTTg"),
        HEADER.strip() + "\n" + ROWS.strip(),
    ],
    ids=["paper", "crlf", "bom", "empty lines", "lower case, no brackets", "no last line end"],
)
def test_csv(put, text, pack):
    # the name says nothing: the content does
    assert_frame_equal(read_genes(put(pack(text.encode()), "genes.dat")), EXPECTED)


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_fasta(put, pack, line_end):
    text = "\ufeff; a comment\n>g1 some words\nAC\ngt\n\n>g2\nTT TTG\n>NC_1.1:c9-1 SYM [organism=Homo] [GeneID=7]\nA\n"
    frame = read_genes(put(pack(text.replace("\n", line_end).encode()), "x"))
    assert list(frame["id"]) == ["g1", "g2", "7"]
    assert list(frame["sequence"]) == ["ACGT", "TTTTG", "A"]
    assert list(frame["symbol"]) == ["", "", "SYM"] and frame["description"][0] == "some words"
    assert set(frame["type"]) == {""}


def test_package(tmp_path):
    fasta = (
        ">NC_1.1:1-4 S1 [organism=Homo sapiens] [GeneID=1] [chromosome=1]\nAC\ngt\n>NC_X.1:1-4 S2 [GeneID=2]\nAAAA\n"
    )
    fasta += ">NC_Y.1:1-4 S2 [GeneID=2]\nAAAC\n"
    reports = [{"geneId": "1", "symbol": "S1", "description": "one", "type": "tRNA"}, "", {"geneId": "2"}]
    frame = read_genes(package(tmp_path / "ncbi.zip", fasta, reports))
    assert list(frame["id"]) == ["1", "2", "2@NC_Y.1:1-4"]
    assert tuple(frame.iloc[0]) == ("1", "S1", "one", "tRNA", "ACGT")
    assert frame["type"][1] == "" and list(frame.dtypes.astype(str).unique()) == ["str"]


def test_several_files_are_one_table(put):
    first, second = put(HEADER + ROWS), put(">g3\nGG\n", "more.fa")
    report = ReadReport()
    frame = read_genes([first, str(second)], report=report)
    assert list(frame["id"]) == ["1", "2", "g3"] and list(frame.index) == [0, 1, 2]
    assert report.files == ["genes.csv", "more.fa"] and (report.records, report.genes) == (3, 3)
    assert not report.changed


def test_header_alone_is_an_empty_table(put):
    frame = read_genes(put(HEADER))
    assert len(frame) == 0 and list(frame.columns) == COLUMNS


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        (" \n\n", ["empty"]),
        ("NCBIGeneID,Symbol,Description,NucleotideSequence\n1,a,b,<A>\n", ["missing column GeneType", "FASTA"]),
        ("id;sequence\n1;ACGT\n", ["missing columns NCBIGeneID"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,<ACNT>\n", ["record 3 (line 4, id 3)", "position 3", "'N'", "--invalid drop"]),
        (HEADER + "1,c,d,OTHER,,,<ACUT>\n", ["record 1", "position 3", "'U'", "RNA"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,<>\n", ["record 3", "empty", "--empty drop"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,\n", ["record 3", "empty"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,<AC", ["record 3 (line 4, id 3)", "brackets", "cut off"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,AC>\n", ["record 3", "brackets"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,<\n", ["record 3", "brackets"]),
        (HEADER + ROWS + "3,c", ["record 3 (line 4)", "2 fields instead of 7", "cut off"]),
        (HEADER + ROWS + '3,c,"half a descr', ["record 3", "cut off"]),
        (HEADER + ROWS + "3,c,d,OTHER,,,<ACGT>\n", ["record 3", "same sequence", "record 1", "--duplicates drop"]),
        (HEADER + ROWS + "2,c,d,OTHER,,,<GG>\n", ["record 3", "same id '2'", "record 2"]),
        ('"NCBIGeneID,Symbol', ["header", "cut off"]),
        (b"\xff\xfeNCBI", ["not UTF-8"]),
        ((HEADER + ROWS).encode() + b"3,\xe9,d,OTHER,,,<AC>\n", ["not UTF-8", "record"]),
        (">g1\nACGT\n>g2\nACXT\n", ["record 2 (line 3, id g2)", "position 3", "'X'"]),
        (">g1\n>g2\nACT\n", ["record 1 (line 1, id g1)", "empty"]),
        ("; only a comment\nACGT\n", ["record 1", "line 2", "before the first '>'"]),
    ],
)
def test_refusals(put, content, words):
    message = refused(put(content))
    for word in words:
        assert word in message


def test_truncated_and_damaged_gzip(put):
    rows = "".join(
        f"{i},a,b,OTHER,,,<{np.base_repr(i + 5, 4).translate(str.maketrans('0123', 'ACGT'))}>\n" for i in range(3000)
    )
    packed = gzip.compress((HEADER + rows).encode())
    assert len(read_genes(put(packed))) == 3000
    message = refused(put(packed[: len(packed) // 2]))
    assert "truncated or damaged after record" in message and "again" in message
    damaged = bytearray(packed)
    damaged[-5] ^= 255
    assert "truncated or damaged" in refused(put(bytes(damaged)))
    assert "truncated or damaged" in refused(put(packed[:5]))


def test_broken_packages(tmp_path):
    fasta, report = ">NC_1.1:1-4 S [GeneID=1]\nACGT\n", {"geneId": "1"}
    path = tmp_path / "ncbi.zip"
    assert "no gene.fna inside" in refused(package(path, fasta, [report], ("rna.fna", "data_report.jsonl")))
    assert "data_report.jsonl, line 2" in refused(package(path, fasta, [report, "{half"]))
    assert "data_report.jsonl, line 1" in refused(package(path, fasta, [{"symbol": "S"}]))
    assert "data_report.jsonl, line 1" in refused(package(path, fasta, ["[1]"]))
    assert "gene 2 is not in data_report.jsonl" in refused(package(path, fasta.replace("=1", "=2"), [report]))
    assert "record 1 (line 1)" in refused(package(path, ">chr1\nACGT\n", [report]))
    assert "gene.fna, record 1, line 1: text before the first '>'" in refused(package(path, "ACGT\n", [report]))
    whole = package(path, fasta * 1 + ">x [GeneID=1]\nACNT\n", [report])
    assert "gene.fna, record 2 (line 3), id 1@x, position 3" in refused(whole)
    path.write_bytes(path.read_bytes()[:-30])
    assert "truncated or damaged" in refused(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_genes(tmp_path / "nowhere.csv")


# --- policies ---------------------------------------------------------------------------------------------------

MESSY = HEADER + (
    "1,a,b,T,,,<ACGT>\n"
    "2,a,b,T,,,<ACNNGT>\n"  # invalid
    "3,a,b,T,,,<>\n"  # empty
    "4,a,b,T,,,<acgt>\n"  # the sequence of 1
    "5,a,b,T,,,<ACGTACGT>\n"  # longer than 6
    "6,a,b,T,,,<NNN>\n"  # invalid, nothing left when split
)


def test_policy_drop(put):
    report = ReadReport()
    frame = read_genes(put(MESSY), Policy(invalid="drop", empty="drop", duplicates="drop", max_length=6), report)
    assert list(frame["id"]) == ["1"]
    assert (report.records, report.genes) == (6, 1)
    assert (report.invalid_dropped, report.empty_dropped, report.duplicates_dropped, report.longer_dropped) == (
        2,
        1,
        1,
        1,
    )
    assert report.changed and "2 dropped for letters outside A C G T" in report.summary()


def test_policy_split_and_keep(put):
    report = ReadReport()
    frame = read_genes(put(MESSY), Policy(invalid="split", empty="drop", duplicates="keep"), report)
    assert list(frame["id"]) == ["1", "2/1", "2/2", "4", "5"]
    assert list(frame["sequence"]) == ["ACGT", "AC", "GT", "ACGT", "ACGTACGT"]
    assert (report.invalid_split, report.pieces, report.duplicates_kept, report.longer_dropped) == (2, 2, 1, 0)


def test_policy_changes_are_told_without_a_report(put):
    with pytest.warns(UserWarning, match="1 dropped as duplicates"):
        read_genes(put(HEADER + ROWS + "3,c,d,OTHER,,,<ACGT>\n"), Policy(duplicates="drop"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_genes(put(HEADER + ROWS), Policy(duplicates="drop"))


def test_same_id_with_another_sequence_is_never_dropped_silently(put):
    path = put(HEADER + ROWS + "2,c,d,OTHER,,,<GG>\n")
    assert "--duplicates keep" in refused(path, Policy(duplicates="drop"))
    report = ReadReport()
    assert len(read_genes(path, Policy(duplicates="keep"), report)) == 3 and report.duplicates_kept == 1


def test_unknown_policies():
    with pytest.raises(ValueError, match=r"invalid='remove'.*error, drop, split"):
        Policy(invalid="remove")
    with pytest.raises(ValueError, match="max_length=0"):
        Policy(max_length=0)


# --- writing ----------------------------------------------------------------------------------------------------


def random_table(seed):
    random = np.random.default_rng(seed)
    words = [
        "",
        "plain",
        'with "quotes"',
        "a, comma",
        "tRNA-Ala (anticodon AGC) 1-1",
        "β-globin",
        "5'-end; x",
        "a [Ca2+] channel",
        "open] [x=1",
    ]
    count = int(random.integers(1, 40))
    sequences = {"".join(random.choice(list("ACGT"), size=random.integers(1, 200))) for _ in range(count)}
    rows = [
        (str(i), f"S{i}" if i % 3 else "", str(random.choice(words)), "PSEUDO", s)
        for i, s in enumerate(sorted(sequences))
    ]
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["genes.csv", "genes.csv.gz", "genes.fa", "genes.fasta.gz"])
def test_round_trip(tmp_path, name):
    for seed in range(20):
        table = random_table(seed)
        path = write_genes(table, tmp_path / "folder" / name)
        back = read_genes(path)
        assert_frame_equal(back, table)
        assert table_hash(back) == table_hash(table)
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_written_bytes_are_the_same_each_time(tmp_path):
    one, two = (write_genes(EXPECTED, tmp_path / name) for name in ("1.csv.gz", "2.csv.gz"))
    assert one.read_bytes() == two.read_bytes()
    assert "<ACGT>" in write_genes(EXPECTED, tmp_path / "3.csv").read_text()


def test_writing_refuses_what_reading_would(tmp_path):
    for sequence, words in (("ACNT", "row 1 (id 2), position 3"), ("", "row 1 (id 2): the sequence is empty")):
        table = EXPECTED.assign(sequence=["ACGT", sequence])
        with pytest.raises(DataError) as error:
            write_genes(table, tmp_path / "x.csv")
        assert words in str(error.value)
    for change in ({"id": ["1", "2 b"]}, {"symbol": ["A", "B C"]}, {"description": ["a", "b\n>c"]}):
        with pytest.raises(DataError, match=r"row 1 .* FASTA cannot hold its space or line break; write CSV"):
            write_genes(EXPECTED.assign(**change), tmp_path / "x.fa")
    with pytest.raises(DataError, match="missing column type"):
        check_genes(EXPECTED.drop(columns="type"))
    assert list(tmp_path.iterdir()) == []


def test_table_hash_sees_every_change():
    hashes = {
        table_hash(table)
        for table in (
            EXPECTED,
            EXPECTED.iloc[::-1],
            EXPECTED.assign(id=["1", "3"]),
            EXPECTED.assign(sequence=["ACGT", "TTTTC"]),
            EXPECTED.iloc[:1],
        )
    }
    assert len(hashes) == 5 and table_hash(EXPECTED) == table_hash(EXPECTED.assign(symbol="other"))


# --- sequences --------------------------------------------------------------------------------------------------


def test_encode_and_decode():
    encoded = encode(["ACGT", "", "TT"])
    assert encoded.symbols.tolist() == [0, 1, 2, 3, END, END, 3, 3, END] and encoded.symbols.dtype == np.uint8
    assert encoded.starts.tolist() == [0, 5, 6, 9]
    assert len(encoded) == 3 and encoded.nucleotides == 6 and encoded.lengths.tolist() == [4, 0, 2]
    assert [decode(encoded[i]) for i in range(3)] == ["ACGT", "", "TT"]
    assert encode(encoded) is encoded and isinstance(encode([]), EncodedSequences) and len(encode([])) == 0
    with pytest.raises(IndexError):
        encoded[3]


@pytest.mark.parametrize("bad", ["ACNT", "acgt", "AC\nGT", "AC GT", "ACβ", "AC\x00T"])
def test_encode_refuses_other_letters(bad):
    with pytest.raises(ValueError, match=r"sequence 1 has .* at position"):
        encode(["ACGT", bad])


def test_encode_wants_a_list():
    with pytest.raises(TypeError, match="list"):
        encode("ACGT")


def test_decode_is_the_inverse_on_random_sequences():
    random = np.random.default_rng(0)
    for _ in range(50):
        sequence = "".join(random.choice(list("ACGT"), size=random.integers(0, 50)))
        assert decode(encode([sequence])[0]) == sequence
        assert reverse_complement(reverse_complement(sequence)) == sequence


def test_reverse_complement():
    assert reverse_complement("AACGTG") == "CACGTT"


def test_read_fasta_line_numbers():
    assert list(read_fasta([">a\n", "AC\n", "\n", "> b c \n", "g t\n"])) == [("a", "AC", 1), ("b c", "gt", 4)]


# --- the real genes ---------------------------------------------------------------------------------------------


@pytest.mark.realdata
def test_the_papers_test_split(real_data):
    report = ReadReport()
    frame = read_genes(real_data / "genes" / "test.csv", report=report)
    assert len(frame) == 4578 and frame["sequence"].str.len().sum() == 1_694_448
    assert frame["id"].is_unique and frame["sequence"].str.len().max() <= 1000 and not report.changed
    assert encode(list(frame["sequence"])).nucleotides == 1_694_448
