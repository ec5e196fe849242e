// Seeds that have ever shown a violation: they are run in CI as well, for good, as short-plans.ts says.
export const FAILED_ONCE: readonly number[] = [
  3, // an attempt left open beside a spooled answer when its worker died
  5, // a paid reply given up while it waited to be read; a lane held at a guessed rate after slow_down
  8, // as 33
  9, // none of the service: the auditor took an attempt that was not sent for the one whose outcome is unknown
  24, // none of the service: the operator left with the upstream key paused, and two states were never reached
  33, // a request sent by a worker whose item was another’s by then: the gate’s answer had been held up
  34, // none of the service: a link that was dead for the hour it named outlived the run, as it is asked for to its end
  40, // as 33: the worker stood still between the gate and the socket
  51, // as 34
];
