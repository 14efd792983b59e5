// Idle reset: a terminal forgets what a visitor entered when nobody has touched it for a while.

const TICK_MS = 250;
const TOUCHES = ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"];

export interface IdleActions {
  /** Called several times a second while the time runs. */
  tick(secondsLeft: number): void;
  /** Called once when the time has run out. */
  end(): void;
}

/** Counts down from the last touch; it does not run before the first one. */
export class IdleTimer {
  private endsAt: number | null = null;

  constructor(
    private readonly idleS: number,
    private readonly actions: IdleActions,
  ) {
    for (const type of TOUCHES) {
      window.addEventListener(type, () => this.restart(), { capture: true, passive: true });
    }
    window.setInterval(() => this.check(), TICK_MS);
  }

  restart(): void {
    this.endsAt = performance.now() + this.idleS * 1000;
  }

  stop(): void {
    this.endsAt = null;
  }

  private check(): void {
    if (this.endsAt === null) return;
    const left = this.endsAt - performance.now();
    if (left > 0) {
      this.actions.tick(Math.ceil(left / 1000));
      return;
    }
    this.stop();
    this.actions.end();
  }
}

/** Remove what the pages of this site keep in the browser. */
export function wipeStorage(): void {
  try {
    localStorage.clear();
    sessionStorage.clear();
  } catch {
    // a browser that blocks storage keeps nothing
  }
}
