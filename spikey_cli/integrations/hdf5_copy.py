"""Copies an HDF5 file object by object, so that chosen datasets can be written otherwise, and compares the two.

References of HDF5 are addresses in a file, and HDF5's own copy does not follow those in compound types, of which NWB
has some. So objects are copied one by one, by HDF5, and then each reference is made anew, to the copy of what it leads
to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from h5py import h5, h5a, h5d, h5f, h5g, h5i, h5l, h5o, h5p, h5r, h5s, h5t

from ..errors import InputError
from ..system import signals
from .hdf5_storage import FAULTS

Write = Callable[[Any, Any, bytes, Any], Any]
"""Write a dataset otherwise: from a dataset, into a group, by its name, with properties of the link; returns the new
dataset. Types are those of h5py's low-level API.
"""
Compare = Callable[[Any, Any], bool]
"""Return whether a dataset that was written otherwise has the values of the original."""

_SLAB_BYTES = 1 << 24


class Copy:
    """A copy of a file.

    Parameters
    ----------
    source, target : h5py.File
        `target` is empty before `make`.
    chosen : set of int
        Addresses of the datasets that are written otherwise; see `address`.
    """

    def __init__(self, source: Any, target: Any, chosen: set[int]) -> None:
        self._source, self._target = source, target
        self._chosen = chosen
        self._copies: dict[int, Any] = {}
        """Copies of objects by the address of the original."""

    def make(self, write: Write) -> None:
        """Copy all objects, links, attributes and references. Raises one of FAULTS, or InputError."""
        root = self._source["/"].id, self._target["/"].id
        self._copies[address(root[0])] = root[1]
        _copy_attributes(*root)
        pending, items = [root], [root]
        while pending:
            group, copy = pending.pop()
            for name, info in _links(group):
                signals.check()
                properties = h5p.create(h5p.LINK_CREATE)
                properties.set_char_encoding(info.cset)
                if info.type == h5l.TYPE_HARD:
                    item = h5o.open(group, name)
                    if address(item) in self._copies:
                        h5o.link(self._copies[address(item)], copy, name, properties)
                        continue
                    made = self._copy_object(item, copy, name, properties, write)
                    self._copies[address(item)] = made
                    items.append((item, made))
                    if isinstance(item, h5g.GroupID):
                        pending.append((item, made))
                elif info.type == h5l.TYPE_SOFT:
                    copy.links.create_soft(name, group.links.get_val(name), properties)
                elif info.type == h5l.TYPE_EXTERNAL:
                    copy.links.create_external(name, *group.links.get_val(name), properties)
                else:
                    raise InputError(
                        f"{_text(group)} has a link {name!r} of a user-defined type, which cannot be copied"
                    )
        for item, made in items:
            self._copy_references(item, made)

    def _copy_object(self, item: Any, group: Any, name: bytes, properties: Any, write: Write) -> Any:
        if isinstance(item, h5g.GroupID):
            made = h5g.create(group, name, lcpl=properties, gcpl=_properties(item))
        elif address(item) in self._chosen:
            made = write(item, group, name, properties)
        else:
            h5o.copy(item, b".", group, name, lcpl=properties)
            return h5o.open(group, name)
        _copy_attributes(item, made)
        return made

    def _copy_references(self, item: Any, copy: Any) -> None:
        for values, made in zip(_with_references(item), _with_references(copy), strict=True):
            if values.shape is not None:
                _write(made, self._moved(_read(values)))

    def _moved(self, values: np.ndarray) -> np.ndarray:
        """Replace references to objects of the source by those to their copies, in place."""
        for name in values.dtype.names or ():
            values[name] = self._moved(values[name])
        if values.dtype.kind == "O":
            for index in np.ndindex(values.shape):
                value = values[index]
                if isinstance(value, h5r.Reference):
                    values[index] = self._moved_reference(value)
                elif isinstance(value, np.ndarray):
                    values[index] = self._moved(value)
        return values

    def _moved_reference(self, reference: Any) -> Any:
        item = _referenced(reference, self._source)
        if item is None:
            return type(reference)()
        if address(item) not in self._copies:
            raise InputError(
                f"{self._source.filename}: a reference leads to an object that no link leads to, which cannot be copied"
            )
        path = _path(self._copies[address(item)])
        if not isinstance(reference, h5r.RegionReference):
            return h5r.create(self._target.id, path, h5r.OBJECT)
        region = h5r.get_region(reference, self._source.id)
        return h5r.create(self._target.id, path, h5r.DATASET_REGION, region)

    def check(self, compare: Compare) -> None:
        """Compare the copy, opened again as `target`, with the source. Raises InputError if they differ."""
        copies: dict[int, int] = {}
        pairs = []
        pending = [(self._source["/"].id, self._target["/"].id)]
        while pending:
            item, copy = pending.pop()
            signals.check()
            if address(item) in copies:
                _require(copies[address(item)] == address(copy), item)
                continue
            copies[address(item)] = address(copy)
            pairs.append((item, copy))
            _require(type(item) is type(copy), item)
            if isinstance(item, h5g.GroupID):
                _require(_listed(item) == _listed(copy), item)
                names = [name for name, info in _links(item) if info.type == h5l.TYPE_HARD]
                pending += [(h5o.open(item, name), h5o.open(copy, name)) for name in names]
        for item, copy in pairs:
            self._check_object(item, copy, copies, compare)

    def _check_object(self, item: Any, copy: Any, copies: dict[int, int], compare: Compare) -> None:
        _require(_attributes(item) == _attributes(copy), item)
        for name in _attributes(item):
            self._check_values(item, h5a.open(item, name), h5a.open(copy, name), copies)
        if isinstance(item, h5t.TypeID):
            _require(item == copy, item)
        if not isinstance(item, h5d.DatasetID):
            return
        if address(item) in self._chosen:
            same = item.get_type() == copy.get_type() and _extent(item) == _extent(copy)
            _require(same and compare(item, copy), item)
        elif not has_references(item.get_type()) and item.shape is not None and not _is_variable(item.get_type()):
            same = item.get_type() == copy.get_type() and _extent(item) == _extent(copy)
            is_alike = same and _is_stored_alike(item, copy)
            if not is_alike and item.get_create_plist().get_layout() == h5d.VIRTUAL:
                raise InputError(
                    f"{_text(item)} has values in other files, which are not found from the folder of the copy; write "
                    "the copy into the folder of the original"
                )
            _require(is_alike, item)
        else:
            self._check_values(item, item, copy, copies)

    def _check_values(self, item: Any, values: Any, copy: Any, copies: dict[int, int]) -> None:
        _require(values.get_type() == copy.get_type() and _extent(values) == _extent(copy), item)
        if values.shape is not None:
            _require(self._is_same(_read(values), _read(copy), copies), item)

    def _is_same(self, value: Any, copy: Any, copies: dict[int, int]) -> bool:
        """Return whether two values are the same, where references are if they lead to the same."""
        if isinstance(value, np.ndarray) and value.dtype.names:
            return all(self._is_same(value[name], copy[name], copies) for name in value.dtype.names)
        if isinstance(value, np.ndarray) and value.dtype.kind == "O":
            return value.shape == copy.shape and all(
                self._is_same(value[index], copy[index], copies) for index in np.ndindex(value.shape)
            )
        if isinstance(value, np.ndarray):
            return value.shape == copy.shape and value.tobytes() == copy.tobytes()
        if not isinstance(value, h5r.Reference):
            return bool(value == copy)
        items = _referenced(value, self._source), _referenced(copy, self._target)
        if None in items:
            return items == (None, None)
        is_region = isinstance(value, h5r.RegionReference)
        if is_region and _region(value, self._source) != _region(copy, self._target):
            return False
        return copies.get(address(items[0])) == address(items[1])


def address(item: Any) -> int:
    """Return where the header of an object is in its file, which identifies it."""
    return int(h5o.get_info(item).addr)


def has_references(kind: Any) -> bool:
    """Return whether values of a low-level type hold references."""
    return kind.get_class() == h5t.REFERENCE or any(map(has_references, _parts(kind)))


def _is_variable(kind: Any) -> bool:
    """Return whether values of a low-level type hold others of any length, which are elsewhere in the file."""
    is_variable = kind.is_variable_str() if isinstance(kind, h5t.TypeStringID) else kind.get_class() == h5t.VLEN
    return is_variable or any(map(_is_variable, _parts(kind)))


def _parts(kind: Any) -> list[Any]:
    if isinstance(kind, h5t.TypeCompoundID):
        return [kind.get_member_type(i) for i in range(kind.get_nmembers())]
    return [kind.get_super()] if kind.get_class() in (h5t.VLEN, h5t.ARRAY) else []


def _path(item: Any) -> bytes:
    return bytes(h5i.get_name(item))


def _text(item: Any) -> str:
    """Return the file and the path of an object, for an error message."""
    return f"{os.fsdecode(h5f.get_name(item))}: {_path(item).decode(errors='replace')}"


def _links(group: Any) -> Iterator[tuple[bytes, Any]]:
    """Yield the names of a group's links and what h5py says of each, in the order of their creation if that is kept."""
    is_ordered = group.get_create_plist().get_link_creation_order() & h5p.CRT_ORDER_TRACKED
    names: list[bytes] = []
    group.links.iterate(names.append, idx_type=h5.INDEX_CRT_ORDER if is_ordered else h5.INDEX_NAME)
    for name in names:
        yield name, group.links.get_info(name)


def _properties(group: Any) -> Any:
    """Return the properties of a group, without the addresses of its links that HDF5 keeps among them."""
    old, new = group.get_create_plist(), h5p.create(h5p.GROUP_CREATE)
    new.set_link_creation_order(old.get_link_creation_order())
    new.set_attr_creation_order(old.get_attr_creation_order())
    new.set_obj_track_times(old.get_obj_track_times())
    return new


def _listed(group: Any) -> list[tuple[Any, ...]]:
    """Return the names and kinds of a group's links, and where those lead that are no objects."""
    return [
        (name, info.type, None if info.type == h5l.TYPE_HARD else group.links.get_val(name))
        for name, info in _links(group)
    ]


def _attributes(item: Any) -> list[bytes]:
    """Return the names of an object's attributes, in the order of their creation if that is kept."""
    is_ordered = False
    if isinstance(item, (h5g.GroupID, h5d.DatasetID)):
        is_ordered = bool(item.get_create_plist().get_attr_creation_order() & h5p.CRT_ORDER_TRACKED)
    names: list[bytes] = []
    h5a.iterate(item, names.append, index_type=h5.INDEX_CRT_ORDER if is_ordered else h5.INDEX_NAME)
    return names


def _with_references(item: Any) -> list[Any]:
    """Return the attributes of an object, and the object itself, that hold references."""
    found = [h5a.open(item, name) for name in _attributes(item)]
    found += [item] if isinstance(item, h5d.DatasetID) else []
    return [each for each in found if has_references(each.get_type())]


def _copy_attributes(item: Any, copy: Any) -> None:
    for name in _attributes(item):
        attribute = h5a.open(item, name)
        made = h5a.create(copy, name, attribute.get_type().copy(), attribute.get_space())
        if attribute.shape is not None and not has_references(attribute.get_type()):
            _write(made, _read(attribute))


def _read(values: Any) -> np.ndarray:
    """Read a whole attribute or dataset: as it is stored, or as objects where it has references or variable lengths."""
    kind = values.get_type()
    is_object = has_references(kind) or _is_variable(kind)
    array = np.empty(values.shape, values.dtype if is_object else f"V{kind.get_size()}")
    mtype = None if is_object else kind
    if isinstance(values, h5a.AttrID):
        values.read(array, mtype)
    else:
        values.read(h5s.ALL, h5s.ALL, array, mtype)
    return array


def _write(values: Any, array: np.ndarray) -> None:
    mtype = values.get_type() if array.dtype.kind == "V" and not array.dtype.names else None
    if isinstance(values, h5a.AttrID):
        values.write(array, mtype)
    else:
        values.write(h5s.ALL, h5s.ALL, array, mtype)


def _referenced(reference: Any, file: Any) -> Any:
    """Return the object that a reference leads to; None if it leads to none, or that was deleted."""
    if not reference:
        return None
    try:
        return h5r.dereference(reference, file.id)
    except FAULTS:
        return None


def _region(reference: Any, file: Any) -> tuple[Any, ...]:
    """Return the elements that a region reference selects."""
    space = h5r.get_region(reference, file.id)
    kind, elements = space.get_select_type(), None
    if kind == h5s.SEL_HYPERSLABS:
        elements = space.get_select_hyper_blocklist().tolist()
    elif kind == h5s.SEL_POINTS:
        elements = space.get_select_elem_pointlist().tolist()
    return space.shape, kind, elements


def _extent(values: Any) -> tuple[Any, ...]:
    space = values.get_space()
    kind = space.get_simple_extent_type()
    return (kind, space.shape, space.get_simple_extent_dims(maxdims=True) if kind == h5s.SIMPLE else None)


def _is_stored_alike(item: Any, copy: Any) -> bool:
    """Return whether two datasets of one type and shape have the same chunks, byte for byte, or the same values."""
    properties = item.get_create_plist()
    if properties.get_layout() != h5d.CHUNKED:
        return all(a == b for a, b in zip(_slabs(item), _slabs(copy), strict=True))
    if item.get_num_chunks() != copy.get_num_chunks():
        return False
    for i in range(item.get_num_chunks()):
        where = item.get_chunk_info(i).chunk_offset
        signals.check()
        if item.read_direct_chunk(where) != copy.read_direct_chunk(where):
            return False
    return True


def _slabs(item: Any) -> Iterator[bytes]:
    """Yield the values of a dataset as they are stored, a bounded number at a time."""
    if not item.shape:
        yield _read(item).tobytes()
        return
    kind, size = item.get_type(), item.get_type().get_size()
    row = int(np.prod(item.shape[1:], dtype=np.int64)) * size
    step = max(1, _SLAB_BYTES // max(row, 1))
    for first in range(0, item.shape[0], step):
        signals.check()
        shape = (min(step, item.shape[0] - first), *item.shape[1:])
        array = np.empty(shape, f"V{size}")
        space = item.get_space()
        space.select_hyperslab((first,) + (0,) * (len(shape) - 1), shape)
        item.read(h5s.create_simple(shape), space, array, kind)
        yield array.tobytes()


def _require(condition: bool, item: Any) -> None:
    if not condition:
        raise InputError(f"{_text(item)} differs from its copy; please report it")
