// Reporting by touch: group, kind, place, phrases, telephone, check, receipt.

import { definitionList, element, notify } from "../dom";
import { text } from "../locale";
import { groupKinds } from "../report/kinds";
import { describePlace, type PlacePicker } from "../report/place-picker";
import {
  type Filed,
  isUnsettled,
  type Kind,
  type Message,
  messagesByField,
  OnceSender,
} from "../report/report-api";
import { reportFields } from "../report/report-form";
import { DIGITS, keypad } from "./keypad";
import { phraseButtons, screen, stepButtons, tiles } from "./screens";

const PHONE_DIGITS = 15;

export interface ReportHost {
  show(content: HTMLElement): void;
  home(): void;
  /** Show the map in an element; `onChange` is called when another place is chosen. */
  showMap(onChange: (picker: PlacePicker) => void): Promise<HTMLElement>;
  picker(): PlacePicker | null;
  showReceipt(filed: Filed): void;
  /** Whether the visitor who began this is still the one at the terminal. */
  isCurrent(): boolean;
}

/** What a visitor has entered; a new visitor gets a new one. */
export class ReportSteps {
  private kind: Kind | null = null;
  private phrases = new Set<string>();
  private phone = "";
  private sender = new OnceSender();

  constructor(
    private readonly kinds: Kind[],
    private readonly host: ReportHost,
  ) {}

  start(): void {
    const groups = groupKinds(this.kinds).map(([name, members]): [string, () => void] => [
      name,
      () => this.chooseKind(name, members),
    ]);
    const { root } = stepButtons(this.host.home, null);
    this.host.show(screen({ title: text("kiosk.group") }, tiles(groups), root));
  }

  /** Begin with a kind, as the service guide does. */
  startWith(kind: Kind): void {
    this.kind = kind;
    void this.choosePlace();
  }

  private chooseKind(title: string, members: Kind[]): void {
    const entries = members.map((kind): [string, () => void] => [
      kind.name,
      () => this.startWith(kind),
    ]);
    const { root } = stepButtons(() => this.start(), null);
    const help = text("kiosk.kind");
    this.host.show(screen({ title, help }, tiles(entries), root));
  }

  private async choosePlace(): Promise<void> {
    const steps = stepButtons(
      () => this.start(),
      () => this.choosePhrases(),
    );
    const shown = element("output", {}, text("online.no_place"));
    const update = (picker: PlacePicker) => {
      shown.textContent = describePlace(picker);
      steps.next!.disabled = picker.place === null;
    };
    const map = await this.host.showMap(update);
    if (!this.host.isCurrent()) return;
    const title = text("kiosk.place");
    this.host.show(screen({ title, help: text("kiosk.grid_help") }, map, shown, steps.root));
    this.host.picker()?.map?.resize();
  }

  private choosePhrases(): void {
    const steps = stepButtons(
      () => void this.choosePlace(),
      () => this.enterPhone(),
    );
    const update = () => {
      steps.next!.disabled = this.phrases.size === 0;
    };
    const phrases = phraseButtons(this.phrases, update);
    update();
    const help = text("kiosk.phrases_help");
    this.host.show(screen({ title: text("kiosk.phrases"), help }, phrases, steps.root));
  }

  private enterPhone(): void {
    const title = text("kiosk.phone");
    const keys = keypad({
      label: title,
      characters: DIGITS,
      maxLength: PHONE_DIGITS,
      value: this.phone,
      onChange: (value) => {
        this.phone = value;
      },
    });
    const steps = stepButtons(
      () => this.choosePhrases(),
      () => this.check(),
    );
    this.host.show(screen({ title, help: text("online.contact_help") }, keys, steps.root));
  }

  private check(): void {
    const picker = this.host.picker()!;
    const trouble = element("div", { class: "trouble", role: "alert" });
    const facts = definitionList([
      [text("online.kind"), this.kind?.name ?? ""],
      [text("online.place"), describePlace(picker)],
      [text("online.description"), this.description()],
      [text("online.contact"), this.phone],
    ]);
    const steps = stepButtons(
      () => this.enterPhone(),
      () => void this.send(steps.next!, trouble),
      text("online.send"),
    );
    this.host.show(screen({ title: text("kiosk.check") }, facts, trouble, steps.root));
  }

  private description(): string {
    return [...this.phrases].join(text("kiosk.phrase_joint"));
  }

  private message(): Message {
    const values = {
      kind: this.kind?.key ?? "",
      description: this.description(),
      contact: this.phone,
      channel: "kiosk",
    };
    return { fields: reportFields(this.host.picker()!, values), photos: [] };
  }

  private async send(submit: HTMLButtonElement, trouble: HTMLElement): Promise<void> {
    const message = this.message();
    submit.disabled = true;
    trouble.textContent = "";
    try {
      const filed = await this.sender.send<Filed>("/reports", message);
      if (this.host.isCurrent()) this.host.showReceipt(filed);
    } catch (error) {
      if (!this.host.isCurrent()) return;
      const isOpen = isUnsettled(error);
      trouble.textContent = isOpen
        ? text("online.offline")
        : Object.values(messagesByField(error, message)).join(" ");
      if (isOpen) submit.textContent = text("page.try_again");
      notify(trouble.textContent);
    } finally {
      submit.disabled = false;
    }
  }
}
