// What book_check.py wants to know of a page of the book.

// Returns what does not fit: a page wider than the screen, what is cut off and does not scroll, a
// player that is cut short.
window.faults = () => {
  const shown = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility());
  const wide_px = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const scrolls = (e) => e && !e.matches("article") && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
  const clipped = shown("article *")
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e.parentElement));
  const short_px = shown("iframe.vx-call").map((e) => e.contentDocument.body.offsetHeight - e.clientHeight);
  const frames = shown("iframe.vx-call").map((e) => e.parentElement.scrollHeight - e.parentElement.clientHeight);
  return [
    ...(wide_px > 0 ? [`${wide_px} px too wide`] : []),
    ...clipped.map((e) => `cut off: ${e.outerHTML.slice(0, 80)}`),
    ...frames.filter((px) => px > 1).map((px) => `a player scrolls by ${px} px`),
    ...short_px.filter((px) => px > 0).map((px) => `a player is ${px} px short`),
  ];
};

// Returns the colour behind each player.
window.playerColours = () => [...document.querySelectorAll("iframe.vx-call")]
  .map((e) => getComputedStyle(e.contentDocument.body).backgroundColor);

// Plays a recording until it has come past 0.2 s; returns its place.
window.plays = async (audio) => {
  await audio.play();
  await new Promise((done) => { audio.ontimeupdate = () => { if (audio.currentTime > 0.2) done(); }; });
  audio.pause();
  return audio.currentTime;
};
