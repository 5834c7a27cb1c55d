// Plays the playlist beside the page, with the page's own parameters, and says what goes on.
"use strict";
(() => {
  const RETRY_MS = 2000;
  const video = document.querySelector("video");
  const status = document.getElementById("status");
  const when = document.getElementById("when");
  const source = new URL("playlist.m3u8" + location.search, location.href).href;
  const tell = (text) => { status.textContent = text; };

  const play = () => {
    const started = video.play();
    if (started) started.catch(() => tell("Press play."));
  };
  video.addEventListener("playing", () => tell("Playing"));
  video.addEventListener("pause", () => tell(video.ended ? "The end" : "Paused"));
  video.addEventListener("ended", () => tell("The end"));
  video.addEventListener("waiting", () => tell("Loading…"));

  const follow = (clock) => {
    video.addEventListener("timeupdate", () => {
      const date = clock();
      if (!date || Number.isNaN(date.getTime())) return;
      when.dateTime = date.toISOString();
      when.textContent = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    });
  };

  if (window.Hls && Hls.isSupported()) {
    const hls = new Hls({ enableWorker: false });
    let mended = 0;
    hls.on(Hls.Events.MANIFEST_PARSED, play);
    hls.on(Hls.Events.ERROR, (_event, data) => {
      if (!data.fatal) return;
      const code = data.response && data.response.code;
      if (code === 401 || code === 403) {
        tell("This link is not valid, or has expired.");
        hls.destroy();
      } else if (code === 404) {
        tell("Nothing is recorded in that time.");
        hls.destroy();
      } else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
        tell("The server does not answer. Trying again…");
        setTimeout(() => { hls.loadSource(source); }, RETRY_MS);
      } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && mended < 3) {
        mended += 1;
        hls.recoverMediaError();
      } else {
        tell("This browser cannot decode the recording.");
        hls.destroy();
      }
    });
    follow(() => hls.playingDate);
    hls.loadSource(source);
    hls.attachMedia(video);
  } else if (video.canPlayType("application/vnd.apple.mpegurl")) {
    follow(() => video.getStartDate && new Date(video.getStartDate().getTime() + video.currentTime * 1000));
    video.addEventListener("error", () => tell("The recording cannot be played: the link may have expired."));
    video.src = source;
    play();
  } else {
    tell("This browser plays no HLS.");
  }
})();
