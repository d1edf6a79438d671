// The service worker: it keeps the page for the time when nobody answers.
//
// A name in /assets has a hash in it, so what is kept is as good as new. The rest is asked for first. Calls of the API are
// never kept: an old answer would be a wrong one.
"use strict";

const PAGE = "/";
const FILES = [PAGE, "/assets/app-26c4faae.js", "/assets/style-c420fe8e.css", "/icon.svg", "/manifest.webmanifest"];
// Other files are another page, and get another place.
const KEPT = FILES.join(" ");

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const outdated = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(outdated());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.mode === "navigate") return event.respondWith(fromNetwork(request, PAGE));
  if (!FILES.includes(pathname)) return;
  event.respondWith(pathname.startsWith("/assets/") ? fromKept(request) : fromNetwork(request, pathname));
});

async function fromKept(request) {
  return (await caches.match(request)) ?? fetch(request);
}

async function fromNetwork(request, otherwise) {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(otherwise);
    if (kept) return kept;
    throw error;
  }
}
