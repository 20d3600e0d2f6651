import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from prx_data.index import PHOTOS_SCHEMA
from prx_data.known import KnownRows

ORIGINS = st.text(st.sampled_from("ab/ßé\U0001f600 "), min_size=1, max_size=3)


def table(rows: dict[str, str]) -> pa.Table:
    empty = dict.fromkeys(PHOTOS_SCHEMA.names)
    return pa.Table.from_pylist([{**empty, "origin": name, "key": key} for name, key in rows.items()], PHOTOS_SCHEMA)


@settings(deadline=None)
@given(
    st.dictionaries(ORIGINS, st.text(max_size=2)), st.lists(st.dictionaries(ORIGINS, st.text(max_size=2)), max_size=3)
)
def test_known_rows_are_those_of_a_dictionary(before: dict[str, str], later: list[dict[str, str]]) -> None:
    expected = dict(sorted(before.items()))
    for one in later:
        expected |= one
    known = KnownRows([table(dict(sorted(before.items()))), *map(table, later)])
    assert list(known) == sorted(expected)
    assert len(known) == len(expected)
    assert {origin: row["key"] for origin, row in known.items()} == expected
    assert all(known.get(name) is None for name in ("", "a/never", "zz") if name not in expected)
