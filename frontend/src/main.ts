// Starts the page; what needs to be let in waits for it.
import { createPinia } from "pinia";
import { createApp, watch } from "vue";
import App from "./App.vue";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/form.css";
import "./styles/shell.css";
import { router } from "./router";
import { startBooks } from "./state/books";
import { startFeed } from "./state/feed";
import { useSession } from "./state/session";
import { useSettings } from "./state/settings";

const app = createApp(App).use(createPinia());
const session = useSession();
useSettings();
void session.start();
app.use(router).mount("#app");

/** Once: whoever leaves, leaves by a page that begins anew. */
const stop = watch(
  () => session.allowed,
  (allowed) => {
    if (!allowed) return;
    startFeed();
    startBooks();
    queueMicrotask(() => stop());
  },
  { immediate: true },
);
