// Who is logged in. The access token lives in this variable and nowhere else: a reload asks for a new one.
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";
import { authorizeBy } from "../api/http";

export interface User {
  id: number;
  name: string;
  email: string | null;
  role: "user" | "admin";
  disabled: boolean;
  must_change_password: boolean;
  can_log_in: boolean;
  created_at: string;
}

export const useSession = defineStore("session", () => {
  /** False: this server lets everybody in, as its administrator. Null until it has said so. */
  const required = ref<boolean | null>(null);
  const user = shallowRef<User | null>(null);
  const token = ref<string | null>(null);
  const isAdmin = computed(() => required.value === false || user.value?.role === "admin");

  authorizeBy(() => token.value);
  return { required, user, token, isAdmin };
});
