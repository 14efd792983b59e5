// The service worker of the field app: it keeps the app's files, so that the app opens without a
// connection. Data is not its business: the page stores that itself. The build fills in VERSION and
// FILES; a new version takes over when no page of the old one is open any more.

const VERSION = "__VERSION__";
const FILES = __FILES__;
const PAGE = "/field";
const CACHE = `gridatlas-field-${VERSION}`;
const TEXTS = ["/locale/zh?page=field", "/locale/en?page=field"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([PAGE, ...TEXTS, ...FILES])));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(deleteOtherVersions().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  const path = url.pathname + url.search;
  if (request.mode === "navigate" && url.pathname === PAGE) event.respondWith(fromCache(PAGE));
  else if (FILES.includes(path)) event.respondWith(fromCache(path));
  else if (TEXTS.includes(path)) event.respondWith(textsOf(event, path));
});

async function deleteOtherVersions() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("gridatlas-field-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function fromCache(path) {
  const cache = await caches.open(CACHE);
  return (await cache.match(path, { ignoreVary: true })) ?? fetch(path);
}

/** The stored texts at once; newer ones are there at the next opening. */
async function textsOf(event, path) {
  const cache = await caches.open(CACHE);
  const update = fetch(path).then((response) => {
    if (response.ok) return cache.put(path, response.clone()).then(() => response);
    return response;
  });
  event.waitUntil(update.catch(() => undefined));
  return (await cache.match(path, { ignoreVary: true })) ?? update;
}
