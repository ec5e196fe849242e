// Knows whether a request has left this process. Before that a failure costs nothing; after it the outcome is unknown.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Dispatcher } from 'undici';

interface Flight {
  sent: boolean;
  answered: boolean;
}

const flights = new AsyncLocalStorage<Flight>();

/** An interceptor for the upstream's agent; without `trackSending` around the fetch it does nothing. */
export const noteSending: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  const flight = flights.getStore();
  return dispatch(options, flight ? noting(handler, flight) : handler);
};

/** Passes everything on. undici calls `onRequestStart` when a connected socket is about to carry the request. */
function noting(handler: Dispatcher.DispatchHandler, flight: Flight): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller, context) => {
      flight.sent = true;
      handler.onRequestStart?.(controller, context);
    },
    onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onResponseStart: (...args) => {
      flight.answered = true;
      handler.onResponseStart?.(...args);
    },
    onResponseData: (...args) => handler.onResponseData?.(...args),
    onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
    onResponseError: (...args) => handler.onResponseError?.(...args),
    onBodySent: (...args) => handler.onBodySent?.(...args),
    onRequestSent: () => handler.onRequestSent?.(),
  };
}

/** Runs one request; tells afterwards, failed or not, whether it began to go out and whether an answer began to come. */
export function trackSending<T>(request: () => Promise<T>): {
  readonly wasSent: () => boolean;
  readonly wasAnswered: () => boolean;
  readonly result: Promise<T>;
} {
  const flight: Flight = { sent: false, answered: false };
  const result = flights.run(flight, request);
  return { wasSent: () => flight.sent, wasAnswered: () => flight.answered, result };
}
