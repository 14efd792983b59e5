// Return from the identity provider: exchange the code for a session and go back to the page.

import "../staff-page.css";
import { element, elementById } from "../dom";
import { type PendingSignIn, redirectUri, takePendingSignIn } from "../identity-provider";
import { loadLocale, preferredLanguage, text } from "../locale";
import { requestSession, storeSession } from "../session";

async function start(): Promise<void> {
  const pending = takePendingSignIn();
  const answer = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname); // keep the code out of the history
  await loadLocale(preferredLanguage(), "session");
  document.title = `${text("session.sign_in")} · Gridatlas`;
  elementById("said").textContent = text("session.returning");
  const problem = await completeSignIn(pending, answer);
  if (problem === null) return location.replace(pending!.back);
  elementById("said").textContent = problem;
  elementById("said").after(element("a", { href: pending?.back ?? "/" }, text("session.again")));
}

/** Open the session; return the reason where that fails. */
async function completeSignIn(
  pending: PendingSignIn | null,
  answer: URLSearchParams,
): Promise<string | null> {
  if (!pending || answer.get("state") !== pending.state) return text("session.not_asked");
  const code = answer.get("code");
  if (!code) return text("session.denied", { said: answer.get("error") ?? "-" });
  const session = await requestSession({
    grant_type: "authorization_code",
    code,
    code_verifier: pending.verifier,
    redirect_uri: redirectUri(),
    nonce: pending.nonce,
  });
  if (typeof session === "string") return session;
  storeSession(session);
  return null;
}

start().catch((error: Error) => {
  elementById("said").textContent = error.message;
});
