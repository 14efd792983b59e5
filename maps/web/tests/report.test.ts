import { describe, expect, test } from "vitest";

import { ProblemError } from "../src/http";
import { statusSteps } from "../src/report/case-view";
import { ticketOf, ticketOfLink } from "../src/report/follow-up";
import { findKinds, groupKinds, sortForGuide } from "../src/report/kinds";
import { isUnsettled, type Kind, messagesByField } from "../src/report/report-api";

const kind = (key: string, name: string, group: string): Kind =>
  ({ key, name, group, group_name: `${group} group`, department_name: "Roads" }) as Kind;
const KINDS = [
  kind("pipe", "Burst pipe", "event"),
  kind("card", "Residence card", "service"),
  kind("waste", "Rubble", "event"),
];

describe("kinds", () => {
  test("are found by all words of a search, in any case", () => {
    expect(findKinds(KINDS, "burst EVENT").map(({ key }) => key)).toEqual(["pipe"]);
    expect(findKinds(KINDS, " ")).toHaveLength(3);
    expect(findKinds(KINDS, "tram")).toEqual([]);
  });

  test("are grouped in the order of the list, services first in the guide", () => {
    expect(groupKinds(KINDS).map(([name, members]) => [name, members.length])).toEqual([
      ["event group", 2],
      ["service group", 1],
    ]);
    expect(sortForGuide(KINDS)[0]?.key).toBe("card");
  });
});

describe("the status line", () => {
  test("counts registration to acceptance", () => {
    const now = statusSteps("registered").find(({ position }) => position === "now");
    expect(now?.state).toBe("accepted");
  });

  test("ends at once for what was declined", () => {
    expect(statusSteps("declined").map(({ position }) => position)).toEqual(["done", "now"]);
  });
});

describe("number and secret", () => {
  test("are read as people type them", () => {
    expect(ticketOf(" 2026 1130 ", "abcd-efgh")).toEqual({
      number: "20261130",
      secret: "ABCDEFGH",
    });
  });

  test("come from the fragment of a link", () => {
    expect(ticketOfLink("#case=12&secret=AB")).toEqual({ number: "12", secret: "AB" });
    expect(ticketOfLink("#new")).toBeNull();
  });
});

describe("errors", () => {
  const message = (description: string) => ({ fields: { description, address: "x" }, photos: [] });

  test("belong to the field that they are about", () => {
    const outside = { type: "urn:gridatlas:problem:case_place_outside" };
    expect(messagesByField(new ProblemError(400, "out", outside), message("a"))).toEqual({
      place: "out",
    });
    const markup = { type: "urn:gridatlas:problem:case_text_markup" };
    expect(messagesByField(new ProblemError(400, "tag", markup), message("<b>"))).toEqual({
      description: "tag",
    });
    const fields = { errors: [{ loc: ["body", "lon"], msg: "range" }] };
    expect(messagesByField(new ProblemError(422, "all", fields), message("a"))).toEqual({
      place: "range",
    });
    expect(messagesByField(new ProblemError(429, "wait"), message("a"))).toEqual({ "": "wait" });
  });

  test("leave open what the server did not answer", () => {
    expect(isUnsettled(new ProblemError(0, ""))).toBe(true);
    expect(isUnsettled(new ProblemError(503, ""))).toBe(true);
    expect(isUnsettled(new ProblemError(409, ""))).toBe(false);
  });
});
