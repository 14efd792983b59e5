import { describe, expect, test } from "vitest";

import { fileName, isOffline, nextPath, ProblemError, splitEvents } from "../src/http";
import { codeChallenge } from "../src/identity-provider";
import { nextIndex } from "../src/search";

describe("server-sent events", () => {
  test("are read as they come, in parts", () => {
    const first = splitEvents('event: progress\ndata: {"done": 1}\n\ndata: {"do');
    expect(first.events).toEqual(['{"done": 1}']);
    expect(splitEvents(`${first.rest}ne": 2}\n\n`)).toEqual({ events: ['{"done": 2}'], rest: "" });
  });

  test("may have several lines and other line ends", () => {
    expect(splitEvents("data: [1,\r\ndata: 2]\r\n\r\n").events).toEqual(["[1,\n2]"]);
  });

  test("without data are passed over", () => {
    expect(splitEvents(": ping\n\nevent: progress\n\n").events).toEqual([]);
  });
});

test("the next page is a path on this server", () => {
  const links = [
    { rel: "self", href: "http://inside:8000/plans?offset=0" },
    { rel: "next", href: "http://inside:8000/plans?limit=5&offset=5" },
  ];
  expect(nextPath({ links })).toBe("/plans?limit=5&offset=5");
  expect(nextPath({ links: [] })).toBeNull();
});

test("a file has the name that the server gives", () => {
  expect(fileName('inline; filename="420602.pdf"')).toBe("420602.pdf");
  expect(fileName("inline")).toBe("");
});

test("only a request without an answer is offline", () => {
  expect(isOffline(new ProblemError(0, ""))).toBe(true);
  expect(isOffline(new ProblemError(503, ""))).toBe(false);
  expect(isOffline(new Error())).toBe(false);
});

test("the code challenge is that of RFC 7636, appendix B", async () => {
  const challenge = await codeChallenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
  expect(challenge).toBe("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
});

test("keys go round a list", () => {
  expect(nextIndex(-1, 1, 3)).toBe(0);
  expect(nextIndex(2, 1, 3)).toBe(0);
  expect(nextIndex(0, -1, 3)).toBe(2);
  expect(nextIndex(-1, 1, 0)).toBe(0);
});
