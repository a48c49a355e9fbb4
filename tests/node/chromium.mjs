// Chromium as the tests start it: without a window, and without asking anything of anybody that a
// page does not ask. USHER_CHROMIUM names another browser.

import { chromium } from "playwright-core";

export function launchChromium(...more) {
  return chromium.launch({
    executablePath: process.env.USHER_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
}
