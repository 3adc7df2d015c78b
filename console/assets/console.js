// Keeps an open page true. The server says over an event stream which kinds of rows have
// changed; the page is then read again and the regions that differ are swapped. Without this
// script every page reads the same, it only has to be reloaded.
"use strict";

(() => {
  const kinds = (document.body.dataset.live || "").split(" ").filter(Boolean);
  const READ_AGAIN_AFTER_MS = 1500; // changes within this are read at once
  const READ_ANYWAY_AFTER_MS = 15000; // time that costs goes on without any change
  const RETRY_MAX_MS = 30000;
  const connection = document.getElementById("connection");
  let reading = false;
  let due = false;
  let lastRead = Date.now();
  let timer = 0;

  const say = (text, state) => {
    if (!connection) return;
    connection.hidden = false;
    if (connection.textContent !== text) connection.textContent = text;
    connection.dataset.state = state;
  };

  const busyIn = (region) => {
    const active = document.activeElement;
    return active && region.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  };

  const swap = (fresh) => {
    for (const region of document.querySelectorAll("[data-region]")) {
      const next = fresh.getElementById(region.id);
      if (!next || next.innerHTML === region.innerHTML || busyIn(region)) continue;
      const open = [...region.querySelectorAll("details")].map((details) => details.open);
      const focused = region.contains(document.activeElement) && document.activeElement;
      const address = focused && focused.getAttribute("href");
      const replacement = document.importNode(next, true);
      replacement.querySelectorAll("details").forEach((details, index) => {
        details.open = Boolean(open[index]);
      });
      region.replaceWith(replacement);
      if (address) {
        const links = [...replacement.querySelectorAll("a[href]")];
        const same = links.find((link) => link.getAttribute("href") === address);
        if (same) same.focus({ preventScroll: true });
      }
    }
  };

  const read = async () => {
    if (reading || document.hidden) {
      due = true;
      return;
    }
    reading = true;
    due = false;
    try {
      const answer = await fetch(location.href, {
        headers: { "x-console-refresh": "1" },
        credentials: "same-origin",
        cache: "no-store",
      });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      if (answer.ok) {
        swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
        ages();
      }
    } catch {
      // The event stream tells when the server is back.
    } finally {
      reading = false;
      lastRead = Date.now();
      if (due) readSoon();
    }
  };

  const readSoon = () => {
    if (timer) return;
    const wait = Math.max(0, lastRead + READ_AGAIN_AFTER_MS - Date.now());
    timer = setTimeout(() => {
      timer = 0;
      read();
    }, wait);
  };

  const span = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
    return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  };

  const ages = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000));
      const text = `${span(seconds)} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // A hidden page holds no stream: a browser has few connections to one server.
  let stream = null;
  let retryMs = 1000;
  let retry = 0;
  const hush = () => {
    clearTimeout(retry);
    if (stream) stream.close();
    stream = null;
  };
  const listen = () => {
    hush();
    const own = new EventSource("/live");
    stream = own;
    own.addEventListener("ready", () => {
      retryMs = 1000;
      say("Live", "on");
      if (due) readSoon();
    });
    own.addEventListener("changed", (event) => {
      const rows = JSON.parse(event.data);
      if (rows.some((row) => kinds.includes(row))) readSoon();
    });
    own.addEventListener("reset", readSoon);
    own.addEventListener("error", () => {
      if (own !== stream) return;
      say("Reconnecting …", "off");
      due = true;
      if (own.readyState !== EventSource.CLOSED) return;
      retry = setTimeout(listen, retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    });
  };

  const here = document.querySelector(".side nav [aria-current]");
  if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
  addEventListener("submit", (event) => {
    const question = event.submitter && event.submitter.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });
  setInterval(ages, 5000);
  if (kinds.length === 0) return;
  listen();
  setInterval(() => {
    if (Date.now() - lastRead >= READ_ANYWAY_AFTER_MS) readSoon();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hush();
      return;
    }
    due = true;
    listen();
  });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (event) => {
    if (event.persisted) listen();
  });
})();
