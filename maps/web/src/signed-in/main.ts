// Back from the identity provider: the code becomes a session, and the reader is where they were.

import "../staff-page.css";
import { element, elementById } from "../dom";
import { type PendingSignIn, redirectUri, takePendingSignIn } from "../identity-provider";
import { loadLocale, preferredLanguage, text } from "../locale";
import { enter, storeSession } from "../session";

async function start(): Promise<void> {
  const asked = takePendingSignIn();
  const said = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname); // the code is not for the history
  await loadLocale(preferredLanguage(), "session");
  document.title = `${text("session.sign_in")} · Gridatlas`;
  elementById("said").textContent = text("session.returning");
  const problem = await completeSignIn(asked, said);
  if (problem === null) return location.replace(asked!.back);
  elementById("said").textContent = problem;
  elementById("said").after(element("a", { href: asked?.back ?? "/" }, text("session.again")));
}

/** Open the session; return what is wrong where none is opened. */
async function completeSignIn(
  asked: PendingSignIn | null,
  said: URLSearchParams,
): Promise<string | null> {
  if (!asked || said.get("state") !== asked.state) return text("session.not_asked");
  const code = said.get("code");
  if (!code) return text("session.denied", { said: said.get("error") ?? "-" });
  const answer = await enter({
    grant_type: "authorization_code",
    code,
    code_verifier: asked.verifier,
    redirect_uri: redirectUri(),
    nonce: asked.nonce,
  });
  if (typeof answer === "string") return answer;
  storeSession(answer);
  return null;
}

void start().catch((error: Error) => (elementById("said").textContent = error.message));
