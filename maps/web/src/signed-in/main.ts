// Back from the identity provider: the code becomes a session, and the reader is where they were.

import "../staff-page.css";
import { byId, element } from "../dom";
import { type Asked, returnAddress, takeAsked } from "../identity-provider";
import { preferredLanguage, speak, text } from "../locale";
import { enter, keep } from "../session";

async function start(): Promise<void> {
  const asked = takeAsked();
  const said = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname); // the code is not for the history
  await speak(preferredLanguage(), "session");
  document.title = `${text("session.sign_in")} · Gridatlas`;
  byId("said").textContent = text("session.returning");
  const problem = await entered(asked, said);
  if (problem === null) return location.replace(asked!.back);
  byId("said").textContent = problem;
  byId("said").after(element("a", { href: asked?.back ?? "/" }, text("session.again")));
}

/** Open the session; return what is wrong where none is opened. */
async function entered(asked: Asked | null, said: URLSearchParams): Promise<string | null> {
  if (!asked || said.get("state") !== asked.state) return text("session.not_asked");
  const code = said.get("code");
  if (!code) return text("session.denied", { said: said.get("error") ?? "-" });
  const answer = await enter({
    grant_type: "authorization_code",
    code,
    code_verifier: asked.verifier,
    redirect_uri: returnAddress(),
    nonce: asked.nonce,
  });
  if (typeof answer === "string") return answer;
  keep(answer);
  return null;
}

void start().catch((error: Error) => (byId("said").textContent = error.message));
