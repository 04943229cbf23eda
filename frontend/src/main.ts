// Starts the page.
import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/page.css";
import "./styles/shell.css";
import { router } from "./router";
import { startAbout } from "./state/about";
import { startBooks } from "./state/books";
import { startFeed } from "./state/feed";

createApp(App).use(createPinia()).use(router).mount("#app");
startFeed();
startBooks();
void startAbout();
