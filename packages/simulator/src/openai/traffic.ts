/** How many image requests are under way, in all and by model, with their maxima; and how many were refused by 429. */
export interface TrafficReport {
  inFlight: number;
  maxInFlight: number;
  maxInFlightByModel: Record<string, number>;
  rejected429: number;
}

export class Traffic {
  #inFlight = 0;
  #maxInFlight = 0;
  #rejected429 = 0;
  readonly #byModel = new Map<string, number>();
  #maxByModel = new Map<string, number>();

  enter(): void {
    this.#inFlight += 1;
    this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight);
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  enterModel(model: string): void {
    const now = (this.#byModel.get(model) ?? 0) + 1;
    this.#byModel.set(model, now);
    this.#maxByModel.set(model, Math.max(this.#maxByModel.get(model) ?? 0, now));
  }

  leaveModel(model: string): void {
    this.#byModel.set(model, (this.#byModel.get(model) ?? 1) - 1);
  }

  count429(): void {
    this.#rejected429 += 1;
  }

  report(): TrafficReport {
    return {
      inFlight: this.#inFlight,
      maxInFlight: this.#maxInFlight,
      maxInFlightByModel: Object.fromEntries(this.#maxByModel),
      rejected429: this.#rejected429,
    };
  }

  /** Sets the maxima to what is under way now and the refusals to 0. */
  reset(): void {
    this.#maxInFlight = this.#inFlight;
    this.#maxByModel = new Map([...this.#byModel].filter(([, now]) => now > 0));
    this.#rejected429 = 0;
  }
}
