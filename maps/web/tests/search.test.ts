import { describe, expect, test } from "vitest";
import { listNote, onlyExactHit, type SearchHit, titleOf } from "../src/search";

const hit = (code: string, exact: boolean): SearchHit => ({ code, name: "", address: "", exact });

describe("Enter in the search field", () => {
  test("takes the only exact hit", () => {
    const exact = hit("a", true);
    expect(onlyExactHit([hit("b", false), exact])).toBe(exact);
  });

  test.each([
    ["no hit", []],
    ["one that is only near", [hit("a", false)]],
    ["two that are exact", [hit("a", true), hit("b", true)]],
  ])("takes nothing of %s", (_, hits) => {
    expect(onlyExactHit(hits)).toBeUndefined();
  });
});

describe("the note above the hits", () => {
  test.each([
    ["page.none_found", [], false],
    ["page.only_near", [hit("a", false)], false],
    ["page.number_wanted", [hit("a", false)], true],
    [null, [hit("a", true)], false],
  ])("is %s", (note, hits, asksNumber) => {
    expect(listNote(hits, asksNumber)).toBe(note);
  });
});

test("a hit shows its address where a street's numbers are listed", () => {
  const house = { code: "a", name: "锦绣小区1栋", address: "中原路29号锦绣小区1栋", exact: false };
  expect(titleOf(house)).toBe(house.name);
  expect(titleOf({ ...house, number: "29" })).toBe(house.address);
  expect(titleOf({ code: "a", name: "", address: "", exact: false })).toBe("a");
});
