// What a reporter keeps: number and secret of the case, to copy, print or scan.

import { button, definitionList, div, element } from "../dom";
import { formatDateTime, text } from "../locale";
import { copyText } from "./fields";
import { type Filed, fetchLink, type Ticket } from "./report-api";

export interface ReceiptActions {
  followUp(ticket: Ticket): void;
  another(): void;
  /** Without copying, as on a terminal that others use. */
  isTouchOnly?: boolean;
}

/** The receipt of a case; its heading takes the focus once it is in the page. */
export function receipt(
  filed: Filed,
  { followUp, another, isTouchOnly = false }: ReceiptActions,
): HTMLElement {
  const { number, secret } = filed;
  const provisional = filed.is_provisional ? ` (${text("online.due_provisional")})` : "";
  const qr = element("div", { class: "qr" });
  void fetchLink(filed).then(
    (link) => qr.replaceChildren(link.qr ? qrPicture(link.qr) : text("online.link_local")),
    () => qr.remove(), // number and secret are enough
  );
  const words = `${text("online.number")} ${number}\n${text("online.secret")} ${secret}`;
  return div(
    "receipt",
    element("h2", { tabindex: "-1" }, text("online.received")),
    element("p", {}, text("online.received_help")),
    definitionList([
      [text("online.kind"), filed.kind_name],
      [text("online.number"), element("b", { class: "number" }, number)],
      [text("online.secret"), element("b", { class: "secret" }, groupLetters(secret))],
      [text("online.due"), formatDateTime(filed.due_at) + provisional],
    ]),
    qr,
    div(
      "ways",
      isTouchOnly ? null : button(text("online.copy"), () => void copyText(words)),
      button(text("page.print"), () => window.print()),
      button(text("online.follow_now"), () => followUp({ number, secret })),
      button(text("online.another"), another),
    ),
  );
}

/** A secret in groups of four letters. */
function groupLetters(secret: string): string {
  return secret.match(/.{1,4}/g)?.join(" ") ?? secret;
}

function qrPicture(svg: string): HTMLElement {
  const src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  return element("img", { src, alt: text("online.qr") });
}
