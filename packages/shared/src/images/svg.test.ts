import { describe, expect, test } from 'vitest';
import { measureSvg } from './svg.ts';

const measure = (text: string) => measureSvg(new TextEncoder().encode(text));

describe('an SVG document', () => {
  test.each([
    ['<svg width="640" height="480"/>', 640, 480],
    ["<svg width='640px' height='480.4'></svg>", 640, 480],
    ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1024 768"></svg>', 1024, 768],
    ['<svg viewBox="-10,-10, 20.0 ,40"></svg>', 20, 40],
    ['<svg width="100%" height="100%" viewBox="0 0 50 60"></svg>', 50, 60],
    ['<svg width="100" viewBox="0 0 50 60"></svg>', 100, 120],
    ['<svg height="30" viewBox="0 0 50 60"></svg>', 25, 30],
    ['<svg width="1in" height="72pt"></svg>', 96, 96],
    ['<svg width="25.4mm" height="2.54cm"></svg>', 96, 96],
    ['<svg></svg>', 300, 150],
    ['<svg width="300"></svg>', 300, 150],
    ['<svg width="0" height="-5" viewBox="0 0 0 0"></svg>', 300, 150],
    ['<svg width="0.1" height="9e9" viewBox="0 0 2 1"></svg>', 1, 1],
    ['<svg width="999999999" height="1"></svg>', 1_000_000, 1],
    ['\uFEFF  \n<?xml version="1.0"?>\n<!-- made > by <svg> --><svg width="5" height="6"/>', 5, 6],
    ['<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd"><svg width="5" height="6"/>', 5, 6],
    ['<!DOCTYPE svg [ <!ENTITY a "b>"> ]><svg width="5" height="6"/>', 5, 6],
    ['<svg:svg xmlns:svg="x" width="5" height="6"></svg:svg>', 5, 6],
    ['<svg title=" width=\'9\' >" width="5" height="6"></svg>', 5, 6],
    ['<svg\n\twidth = "5"\n\theight\n=\n"6"></svg>', 5, 6],
  ])('%s is %d x %d', (text, width, height) => expect(measure(text)).toEqual({ width, height }));

  test.each([
    '',
    'plain text',
    '<html><svg width="1" height="1"></svg></html>',
    '<!DOCTYPE html><html><body></body></html>',
    '<!doctype html><svg',
    '<svgx width="1"></svgx>',
    '<svg width="1"',
    '<svg title="never closed>',
    'text before <svg width="1" height="1"/>',
    '<!-- never closed <svg/>',
    '<?xml never closed <svg/>',
    '<!DOCTYPE svg [ never closed > <svg/>',
    '{"error":{"message":"<svg/>"}}',
  ])('%j is none', (text) => expect(measure(text)).toBeNull());

  test('is found within bounded time and space however it begins', () => {
    const long = ' '.repeat(70_000);
    expect(measure(`${long}<svg/>`)).toBeNull();
    expect(measure(`<svg ${'a="" '.repeat(13_000)} width="5" height="6">`)).not.toBeNull();
    expect(measure('<!--'.repeat(20_000))).toBeNull();
    expect(measure(`<svg ${'a= '.repeat(20_000)}>`)).toEqual({ width: 300, height: 150 });
  });
});
