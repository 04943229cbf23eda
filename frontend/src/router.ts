// Which address shows which page. After the #, so that any server that has the one file can serve them all.
import { createRouter, createWebHashHistory } from "vue-router";
import type { RouteRecordRaw } from "vue-router";
import OverviewPage from "./pages/OverviewPage.vue";

declare module "vue-router" {
  interface RouteMeta {
    /** Of the window; a page that knows better says so itself. */
    title: string;
    /** For administrators only. */
    admin?: boolean;
  }
}

/** All but the first page come when they are asked for. */
export const routes: RouteRecordRaw[] = [
  { path: "/", name: "overview", component: OverviewPage, meta: { title: "Overview" } },
  { path: "/devices", name: "devices", component: () => import("./pages/DevicesPage.vue"), meta: { title: "Devices" } },
  {
    path: "/devices/:id",
    name: "device",
    component: () => import("./pages/DevicePage.vue"),
    props: true,
    meta: { title: "Device" },
  },
  {
    path: "/devices/:id/knee",
    name: "knee",
    component: () => import("./pages/KneePage.vue"),
    props: true,
    meta: { title: "Movement" },
  },
  {
    path: "/dead-letters",
    name: "dead-letters",
    component: () => import("./pages/DeadLettersPage.vue"),
    meta: { title: "Dead letters" },
  },
  { path: "/:rest(.*)*", name: "unknown", component: () => import("./pages/UnknownPage.vue"), meta: { title: "No such page" } },
];

export const router = createRouter({
  history: createWebHashHistory(),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});

router.afterEach((to) => {
  document.title = `${to.meta.title} · telemetrio`;
});
