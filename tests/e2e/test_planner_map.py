"""What the eye sees on the planner's map: neighbours of different colour, and a move on it."""

import io

import numpy as np
import pytest
from PIL import Image

from tests import town as t
from tests.e2e.conftest import IDLE, signed_in

SETTLED = f"() => window.gridatlas?.editor && ({IDLE})()"

PLACES = """() => {
  const {draft} = gridatlas.editor, box = document.querySelector('#map').getBoundingClientRect();
  const found = {};
  for (const code of draft.grids.keys())
    found[code] = draft.cellsOf(code).flatMap(index => {
      const {lon, lat} = draft.cells[index];
      if (lon === null) return [];
      return draft.areas.features[index].geometry.coordinates.flat(2).flatMap(corner =>
        [0.6, 0.75, 0.9].map(share => {
          const {x, y} = gridatlas.map.project([lon + share * (corner[0] - lon),
                                                lat + share * (corner[1] - lat)]);
          return [Math.round(x + box.x), Math.round(y + box.y)];
        }));
    });
  return found;
}"""
"""Places on the screen in the cells of each grid, off the middle, where the buildings are."""

TOUCHING = """() => {
  const {draft} = gridatlas.editor;
  return draft.coverage.touching(cell => draft.cells[cell].grid);
}"""

MOVED = """() => {
  const {editor} = gridatlas, {draft} = editor;
  for (const [to, from] of draft.coverage.touching(cell => draft.cells[cell].grid)) {
    const cell = draft.cells.find(one => one.grid === from && one.building
      && [...draft.coverage.neighbours[draft.index(one.atom)]]
        .some(index => draft.cells[index].grid === to)
      && !draft.preview([one.atom], to).changes.some(change => change.breaks));
    if (!cell) continue;
    draft.move(draft.preview([cell.atom], to));
    return true;
  }
}"""


@pytest.fixture
def editor(open_page, staff_site, client_of):
    planner = client_of("planner")
    shown = planner.get(f"/communities/{t.NORTH_GATE}/plans?status=published").json()["items"][0]
    draft = planner.post(f"/plans/{shown['id']}/copy").json()["id"]
    session = signed_in(staff_site, "planner")
    page = open_page(f"{staff_site}/plan/p/{draft}", session=session, is_sharp=True)
    page.wait_for_function(SETTLED)
    return page


def fills(page):
    """Return the colour that most of each grid has in the picture."""
    page.wait_for_function(SETTLED)
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    found = {}
    for code, places in page.evaluate(PLACES).items():
        colours = np.array([picture[row, column] for column, row in places])
        values, counts = np.unique(colours, axis=0, return_counts=True)
        found[code] = values[counts.argmax()].astype(int)
    return found


def test_neighbours_differ_in_what_the_eye_sees_after_a_move_too(editor):
    before = fills(editor)
    assert len(before) > 2
    assert editor.evaluate(MOVED)
    for seen in (before, fills(editor)):
        for one, other in editor.evaluate(TOUCHING):
            assert np.abs(seen[one] - seen[other]).max() > 20, (one, other)
    assert all((before[code] == colour).all() for code, colour in seen.items()), "colours stay"
    editor.wait_for_function("() => !gridatlas.editor.draft.isSaving")
