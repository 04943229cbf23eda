// Starts the page.
import { createApp } from "vue";
import App from "./App.vue";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/page.css";
import { startAbout } from "./state/about";
import { startBooks } from "./state/books";
import { startFeed } from "./state/feed";

createApp(App).mount("#app");
startFeed();
startBooks();
void startAbout();
