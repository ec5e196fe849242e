/** What a valid request asks for, before (ImageRequest) and after (ResolvedRequest) `auto` is settled. */
import type { Model, Operation, OutputFormat } from './models.ts';

export interface InputImage {
  bytes: Buffer;
  mimeType: string;
  width: number;
  height: number;
  hasAlpha: boolean;
}

export interface ImageRequest {
  operation: Operation;
  model: Model;
  /** The id as sent: may be a dated snapshot. */
  requestedModel: string;
  prompt: string;
  n: number;
  /** `WIDTHxHEIGHT` or `auto`. */
  size: string;
  quality: string;
  background: string | null;
  outputFormat: OutputFormat;
  outputCompression: number;
  responseFormat: 'url' | 'b64_json';
  safetyIdentifier: string | null;
  inputs: InputImage[];
  mask: InputImage | null;
}

export interface ResolvedRequest extends ImageRequest {
  width: number;
  height: number;
  /** Never `auto`. */
  quality: string;
  /** `transparent` or `opaque`; null for models without the parameter. */
  background: string | null;
}
